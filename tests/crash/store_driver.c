#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backends/registry.h"
#include "base/assert.h"
#include "base/checksum.h"
#include "base/log.h"
#include "tests/crash/store_model.h"

/* A deterministic workload on the stores of one configuration, for runs that end by force.
 *
 *   store_driver run CONFIGURATION DIR [early|forgive]
 *       Prints each operation before it starts ("+ ...") and after it was acknowledged ("= ..."), so that whoever
 *       reads the transcript knows what must be there and what may be. Ends with "! STATUS" when an operation failed,
 *       after having made sure that the store refuses the next one, too; with "calls N" when all went well.
 *       early, forgive: negative controls. Acknowledges before the store was told; acknowledges what failed.
 *   store_driver check CONFIGURATION DIR < TRANSCRIPT
 *       Opens the folder again and says "ok", or what is missing or was never written.
 *   store_driver list
 *       The durable configurations. */

enum { STEPS = 60 };

struct driver {
    const struct viv_configuration *configuration;
    struct viv_store_config config;
    struct viv_log *log;
    struct viv_state *state;
    struct model model;
    bool is_early, is_forgiving;
};

static void print_line(void *ctx, enum viv_log_level level, const char *room, const char *text, const char *fields)
{
    (void)ctx;
    (void)level;
    fprintf(stderr, "%s: %s %s\n", room, text, fields);
}

/* Unbuffered, by one system call: what was printed before a kill has been printed. */
static void say(const char *kind, const struct model_op *op)
{
    char line[128];
    int size = model_op_print(op, kind, line, sizeof line);
    VIV_ASSERT(write(STDOUT_FILENO, line, (size_t)size) == size);
}

static viv_status open_stores(struct driver *driver)
{
    struct viv_store_report report = {0};
    VIV_TRY(viv_log_open(driver->configuration->log, &driver->config, &driver->log, &report));
    viv_status status = viv_state_open(driver->configuration->state, &driver->config, 0, &driver->state, &report);
    if (status != VIV_OK) {
        viv_log_close(driver->log);
    }
    return status;
}

static void close_stores(struct driver *driver)
{
    viv_state_close(driver->state);
    viv_log_close(driver->log);
}

static viv_status do_append(struct driver *driver, const struct model_op *op)
{
    struct viv_buffer bodies = {0};
    struct viv_entry entries[MODEL_BATCH_MAX];
    size_t count = (size_t)(op->last - op->first + 1);
    VIV_ASSERT(count <= MODEL_BATCH_MAX);
    model_bodies(op, &bodies, entries);
    struct viv_log_run run = {op->gid, op->first - 1, entries, count};
    viv_status status = viv_log_append(driver->log, &run, 1);
    viv_buffer_fini(&bodies);
    VIV_TRY(status);
    VIV_TRY(viv_log_sync(driver->log));
    return viv_log_prepare(driver->log);
}

static viv_status do_image(struct driver *driver, struct model_op *op)
{
    struct viv_buffer rows = {0};
    enum viv_checkpoint_kind kind = VIV_CHECKPOINT_FULL;
    if (op->kind == MODEL_INSTALL) {
        kind = VIV_CHECKPOINT_INSTALL;
    } else if (op->is_delta) {
        kind = VIV_CHECKPOINT_DELTA;
    }
    VIV_TRY(viv_state_begin(driver->state, kind, op->last));
    model_rows(&driver->model, op, &rows);
    viv_status status = viv_state_write(driver->state, viv_buffer_bytes(&rows));
    viv_buffer_fini(&rows);
    VIV_TRY(status);
    struct viv_state_mark mark = {op->last, op->last, op->last * 3};
    VIV_TRY(viv_state_commit(driver->state, &mark, &op->needed_after));
    if (op->kind == MODEL_INSTALL) {
        VIV_TRY(viv_log_reset(driver->log, 0, op->last));
    } else {
        VIV_TRY(viv_log_trim(driver->log, 0, op->needed_after));
    }
    return viv_log_trim(driver->log, 1, op->first);
}

static viv_status perform(struct driver *driver, struct model_op *op)
{
    switch (op->kind) {
    case MODEL_APPEND:
        return do_append(driver, op);
    case MODEL_TRUNCATE:
        return viv_log_truncate(driver->log, op->gid, op->last);
    case MODEL_HARD: {
        struct viv_hard_state hard = {(uint32_t)op->last, (uint32_t)op->last, 0};
        return viv_log_hard_put(driver->log, op->gid, &hard);
    }
    case MODEL_IMAGE:
    case MODEL_INSTALL:
        return do_image(driver, op);
    }
    return VIV_ERR_INVALID;
}

/* After a failure that is terminal the store must not take anything any more. */
static bool is_sticky(struct driver *driver, const struct model_op *failed)
{
    if (failed->kind == MODEL_IMAGE || failed->kind == MODEL_INSTALL) {
        return true; /* either of the two stores may have failed; the other one goes on */
    }
    uint8_t byte = 1;
    struct viv_log_bounds bounds;
    viv_log_bounds(driver->log, 9, &bounds);
    struct viv_entry entry = {bounds.last_zxid + 1, {&byte, 1}, viv_crc32c(0, &byte, 1)};
    struct viv_log_run run = {9, 0, &entry, 1};
    return viv_log_append(driver->log, &run, 1) != VIV_OK && viv_log_sync(driver->log) != VIV_OK;
}

static int run(struct driver *driver)
{
    if (open_stores(driver) != VIV_OK) {
        return 3;
    }
    model_init(&driver->model, (driver->configuration->state->traits & VIV_STORE_DELTAS) != 0);
    viv_status status = VIV_OK;
    for (unsigned step = 1; step <= STEPS && status == VIV_OK; step++) {
        struct model_op op = model_next(&driver->model, step);
        say("+", &op);
        if (driver->is_early) {
            say("=", &op);
        }
        status = perform(driver, &op);
        if (status != VIV_OK) {
            printf("! %s%s\n", viv_status_text(status),
                   status == VIV_ERR_NOSPACE || is_sticky(driver, &op) ? "" : " and the store goes on");
            fflush(stdout);
            status = driver->is_forgiving ? VIV_OK : status;
        }
        if (status == VIV_OK) {
            if (!driver->is_early) {
                say("=", &op);
            }
            model_apply(&driver->model, &op);
        }
    }
    close_stores(driver);
    unsigned long (*calls)(void) = (unsigned long (*)(void))dlsym(RTLD_DEFAULT, "viv_shim_calls");
    printf("calls %lu\n", calls != NULL ? calls() : 0);
    return status == VIV_OK ? 0 : 3;
}

static viv_status take_rows(void *ctx, struct viv_bytes rows)
{
    return model_take_rows(ctx, rows) ? VIV_OK : VIV_ERR_CORRUPT;
}

static void start_over(void *ctx)
{
    model_forget_rows(ctx);
}

static void read_group(struct driver *driver, viv_gid gid, struct model_found *found)
{
    viv_log_bounds(driver->log, gid, &found->bounds[gid]);
    viv_log_hard_get(driver->log, gid, &found->hard[gid]);
    struct viv_log_iter *iter;
    struct viv_log_bounds *bounds = &found->bounds[gid];
    if (viv_log_iter_open(driver->log, gid, bounds->base_zxid, bounds->last_zxid, &iter) != VIV_OK) {
        return;
    }
    struct viv_entry entries[16];
    size_t count;
    while (viv_log_iter_next(driver->log, iter, entries, 16, 1 << 20, &count) == VIV_OK && count > 0) {
        for (size_t i = 0; i < count; i++) {
            model_take_entry(found, gid, &entries[i]);
        }
    }
    viv_log_iter_close(driver->log, iter);
}

/* Opens what is there twice: what the first open repaired must stay as it was found. */
static int check(struct driver *driver)
{
    const char *complaint = NULL;
    model_init(&driver->model, (driver->configuration->state->traits & VIV_STORE_DELTAS) != 0);
    struct model_transcript transcript = model_read(&driver->model, stdin);
    for (int round = 0; round < 2 && complaint == NULL; round++) {
        if (open_stores(driver) != VIV_OK) {
            printf("not ok: the stores do not open\n");
            return 1;
        }
        struct model_found *found = viv_alloc_zeroed(1, sizeof *found);
        for (viv_gid gid = 0; gid < MODEL_GROUPS; gid++) {
            read_group(driver, gid, found);
        }
        struct viv_store_report report = {0};
        found->load_status = viv_state_load(driver->state, take_rows, start_over, found, &found->mark, &report);
        complaint = model_complaint(&driver->model, &transcript, found);
        free(found);
        close_stores(driver);
    }
    printf(complaint == NULL ? "ok\n" : "not ok: %s\n", complaint);
    return complaint == NULL ? 0 : 1;
}

static int list(void)
{
    for (const struct viv_configuration *c = viv_configurations; c->name != NULL; c++) {
        if (!(c->log->traits & VIV_STORE_VOLATILE)) {
            puts(c->name);
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "list") == 0) {
        return list();
    }
    if (argc < 4 || viv_configuration_find(argv[2]) == NULL) {
        fprintf(stderr, "usage: store_driver run|check CONFIGURATION DIR [early|forgive] | list\n");
        return 2;
    }
    struct driver *driver = viv_alloc_zeroed(1, sizeof *driver);
    driver->configuration = viv_configuration_find(argv[2]);
    driver->config = (struct viv_store_config){
        .log_dir = argv[3],
        .state_dir = argv[3],
        .cluster = {1, 2},
        .server_id = 1,
        .durable = true,
        .segment_bytes = 1 << 20,
        .load_threads = 1,
    };
    driver->is_early = argc > 4 && strcmp(argv[4], "early") == 0;
    driver->is_forgiving = argc > 4 && strcmp(argv[4], "forgive") == 0;
    viv_log_set_sink(VIV_LOG_INFO, print_line, NULL);
    int result = strcmp(argv[1], "run") == 0 ? run(driver) : check(driver);
    free(driver);
    return result;
}
