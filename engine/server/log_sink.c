#include "server/log_sink.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE_BYTES_MAX = 4096 };

/* Bytes from outside may be in a field: a line stays one line. */
static void keep_printable(char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if ((unsigned char)text[i] < ' ') {
            text[i] = '?';
        }
    }
}

void viv_log_sink_stderr(void *ctx, enum viv_log_level level, const char *room, const char *text, const char *fields)
{
    static const char *const names[] = {"DEBUG", "INFO", "WARN", "ERROR"};
    (void)ctx;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    struct tm utc;
    gmtime_r(&now.tv_sec, &utc);
    char stamp[32];
    strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &utc);
    char line[LINE_BYTES_MAX];
    int size = snprintf(line, sizeof line, "%s.%03ldZ %-5s %s: %s%s%s\n", stamp, now.tv_nsec / 1000000, names[level],
                        room, text, fields[0] != '\0' ? " " : "", fields);
    if (size >= LINE_BYTES_MAX) {
        size = LINE_BYTES_MAX - 1;
        line[size - 1] = '\n';
    }
    keep_printable(line, (size_t)size - 1);
    ssize_t written = write(STDERR_FILENO, line, (size_t)size);
    (void)written; /* there is nobody left to tell */
}
