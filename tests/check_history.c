#include <stdio.h>

#include "base/log.h"
#include "sim/check/check.h"

/* Checks a history that was written down (engine/sim/history.h): check_history FILE. Exit code 0: it may be, 1: it may
 * not, 2: it cannot be read. */

static void say(void *ctx, enum viv_log_level level, const char *room, const char *text, const char *fields)
{
    (void)ctx;
    (void)level;
    fprintf(stderr, "%s: %s %s\n", room, text, fields);
}

static void print(const struct viv_check_report *report)
{
    for (size_t i = 0; i < report->kept_count; i++) {
        printf("%.*s\n", (int)report->failures[i].text.size, (const char *)report->failures[i].text.data);
    }
    if (report->guess_count > 0) {
        printf("guessed: %zu that nobody was told of\n", report->guess_count);
    }
    for (int i = 0; i < VIV_CHECKER_COUNT; i++) {
        printf("%s: %zu checked, %zu failures\n", viv_checker_text(i), report->checked[i], report->failures_of[i]);
    }
}

int main(int argc, char **argv)
{
    struct viv_sim_history history = {0};
    struct viv_check_report report = {0};
    viv_log_set_sink(VIV_LOG_WARN, say, NULL);
    FILE *file = argc == 2 ? fopen(argv[1], "r") : NULL;
    if (file == NULL) {
        fprintf(stderr, "usage: check_history FILE\n");
        return 2;
    }
    if (viv_sim_history_read(&history, file) != VIV_OK) {
        return 2;
    }
    fclose(file);
    viv_check_history(&history, &report);
    print(&report);
    int code = report.failure_count > 0;
    viv_check_report_fini(&report);
    viv_sim_history_fini(&history);
    return code;
}
