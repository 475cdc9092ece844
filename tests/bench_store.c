#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "backends/registry.h"
#include "base/assert.h"
#include "base/checksum.h"

/* Prints what the stores of each configuration do by themselves: entries per second that are appended and synced in
 * batches of 1, 10, 100 and 1000, how fast that log is opened again, and how fast an image is written and loaded.
 * A look at one machine, not a measurement: that is what the lab is for.
 *
 *   bench_store DIR [ROWS]     DIR exists; what is made in it is removed */

enum { BODY_BYTES = 150, VALUE_BYTES = 100, MEASURE_MS = 700, ROWS_DEFAULT = 1000000, BLOCK_BYTES = 1 << 20 };

struct bench {
    const struct viv_configuration *configuration;
    struct viv_store_config config;
    struct viv_log *log;
    struct viv_state *state;
    uint64_t zxid;
};

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void must(viv_status status, const char *what)
{
    if (status != VIV_OK) {
        fprintf(stderr, "bench_store: %s: %s\n", what, viv_status_text(status));
        exit(1);
    }
}

/* Entries per second. */
static double bench_append(struct bench *bench, size_t batch_count)
{
    static const uint8_t body[BODY_BYTES] = "a transaction of ordinary size";
    struct viv_entry *entries = viv_alloc_zeroed(batch_count, sizeof *entries);
    uint32_t crc = viv_crc32c(0, body, sizeof body);
    uint64_t appended = 0;
    double start = now_s();
    while ((now_s() - start) * 1000 < MEASURE_MS) {
        for (size_t i = 0; i < batch_count; i++) {
            entries[i] = (struct viv_entry){++bench->zxid, {body, sizeof body}, crc};
        }
        struct viv_log_run run = {0, entries[0].zxid - 1, entries, batch_count};
        must(viv_log_append(bench->log, &run, 1), "append");
        must(viv_log_sync(bench->log), "sync");
        appended += batch_count;
    }
    double rate = (double)appended / (now_s() - start);
    free(entries);
    must(viv_log_prepare(bench->log), "prepare");
    return rate;
}

static void open_log(struct bench *bench)
{
    struct viv_store_report report = {0};
    must(viv_log_open(bench->configuration->log, &bench->config, &bench->log, &report), "open");
}

static void bench_log(struct bench *bench)
{
    static const size_t batches[] = {1, 10, 100, 1000};
    open_log(bench);
    must(viv_log_prepare(bench->log), "prepare");
    printf("%-12s appended and synced per second:", bench->configuration->name);
    for (size_t i = 0; i < sizeof batches / sizeof batches[0]; i++) {
        printf("  by %zu: %.0f", batches[i], bench_append(bench, batches[i]));
        fflush(stdout);
    }
    if (bench->config.durable) {
        struct viv_store_measure measure;
        viv_log_measure(bench->log, &measure);
        viv_log_close(bench->log);
        double start = now_s();
        open_log(bench);
        printf("  opened again: %.0f MB/s", (double)measure.bytes_written / 1e6 / (now_s() - start));
    }
    viv_log_close(bench->log);
    printf("\n");
}

static void write_rows(struct bench *bench, unsigned rows)
{
    struct viv_buffer block = {0};
    char key[24];
    char value[VALUE_BYTES];
    for (unsigned i = 0; i < rows; i++) {
        int key_size = snprintf(key, sizeof key, "n%016x-node", i / 16);
        int text = snprintf(value, sizeof value, "host-%u.example.org:%u {\"weight\": %u}", i, i % 65536, i * 31);
        memset(value + text, (int)('a' + i % 16), sizeof value - (size_t)text);
        key[key_size - 1] = (char)('a' + i % 16);
        struct viv_row row = {VIV_ROW_PUT, viv_bytes_of(key, (size_t)key_size), viv_bytes_of(value, sizeof value)};
        viv_row_append(&block, &row);
        if (block.size >= BLOCK_BYTES || i + 1 == rows) {
            must(viv_state_write(bench->state, viv_buffer_bytes(&block)), "write");
            viv_buffer_clear(&block);
        }
    }
    viv_buffer_fini(&block);
}

static viv_status count_bytes(void *ctx, struct viv_bytes rows)
{
    *(uint64_t *)ctx += rows.size;
    return VIV_OK;
}

static void start_over(void *ctx)
{
    *(uint64_t *)ctx = 0;
}

static void bench_image(struct bench *bench, unsigned rows)
{
    struct viv_store_report report = {0};
    struct viv_state_mark mark = {5, 5, 0};
    uint64_t needed;
    uint64_t loaded_bytes = 0;
    must(viv_state_open(bench->configuration->state, &bench->config, 0, &bench->state, &report), "open");
    double start = now_s();
    must(viv_state_begin(bench->state, VIV_CHECKPOINT_FULL, 5), "begin");
    write_rows(bench, rows);
    must(viv_state_commit(bench->state, &mark, &needed), "commit");
    double written = now_s();
    must(viv_state_load(bench->state, count_bytes, start_over, &loaded_bytes, &mark, &report), "load");
    double loaded = now_s();
    struct viv_store_measure measure;
    viv_state_measure(bench->state, &measure);
    printf(
        "%-12s image of %u rows, %.0f MB raw, %.0f MB on disk: written in %.2f s, loaded in %.2f s (%.1f M rows/s)\n",
        bench->configuration->name, rows, (double)loaded_bytes / 1e6, (double)measure.disk_bytes_now / 1e6,
        written - start, loaded - written, rows / 1e6 / (loaded - written));
    viv_state_close(bench->state);
}

static void remove_folder(const char *path)
{
    struct viv_buffer command = {0};
    viv_buffer_printf(&command, "rm -rf -- '%s'", path);
    viv_buffer_append(&command, "", 1);
    if (system((const char *)command.data) != 0) {
        fprintf(stderr, "bench_store: %s is left over\n", path);
    }
    viv_buffer_fini(&command);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: bench_store DIR [ROWS]\n");
        return 2;
    }
    unsigned rows = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : ROWS_DEFAULT;
    for (const struct viv_configuration *c = viv_configurations; c->name != NULL; c++) {
        char dir[512];
        snprintf(dir, sizeof dir, "%s/bench-XXXXXX", argv[1]);
        if (mkdtemp(dir) == NULL) {
            perror(dir);
            return 1;
        }
        struct bench bench = {.configuration = c,
                              .config = {.log_dir = dir,
                                         .state_dir = dir,
                                         .server_id = 1,
                                         .durable = !(c->log->traits & VIV_STORE_VOLATILE),
                                         .load_threads = 2}};
        bench_log(&bench);
        bench_image(&bench, rows);
        remove_folder(dir);
    }
    return 0;
}
