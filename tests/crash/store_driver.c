#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/log.h"
#include "tests/crash/store_workload.h"

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

struct driver {
    struct workload workload;
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

static void say_failed(struct driver *driver, const struct model_op *op, viv_status status)
{
    /* With an image either of the two stores may have failed, and the other one goes on. */
    bool must_stick = status != VIV_ERR_NOSPACE && op->kind != MODEL_IMAGE && op->kind != MODEL_INSTALL;
    printf("! %s%s\n", viv_status_text(status),
           must_stick && !workload_is_sticky(&driver->workload) ? " and the store goes on" : "");
    fflush(stdout);
}

static int run(struct driver *driver)
{
    if (workload_open(&driver->workload) != VIV_OK) {
        return 3;
    }
    viv_status status = VIV_OK;
    for (unsigned step = 1; step <= WORKLOAD_STEPS && status == VIV_OK; step++) {
        struct model_op op = model_next(&driver->workload.model, step);
        say("+", &op);
        if (driver->is_early) {
            say("=", &op);
        }
        status = workload_perform(&driver->workload, &op);
        if (status != VIV_OK) {
            say_failed(driver, &op, status);
            status = driver->is_forgiving ? VIV_OK : status;
        }
        if (status == VIV_OK) {
            if (!driver->is_early) {
                say("=", &op);
            }
            model_apply(&driver->workload.model, &op);
        }
    }
    workload_close(&driver->workload);
    unsigned long (*calls)(void) = (unsigned long (*)(void))dlsym(RTLD_DEFAULT, "viv_shim_calls");
    printf("calls %lu\n", calls != NULL ? calls() : 0);
    return status == VIV_OK ? 0 : 3;
}

/* Opens what is there twice: what the first open repaired must stay as it was found. */
static int check(struct driver *driver)
{
    const char *complaint = NULL;
    struct model_transcript transcript = model_read(&driver->workload.model, stdin);
    for (int round = 0; round < 2 && complaint == NULL; round++) {
        if (workload_open(&driver->workload) != VIV_OK) {
            printf("not ok: the stores do not open\n");
            return 1;
        }
        struct model_found *found = viv_alloc(sizeof *found);
        workload_find(&driver->workload, found);
        complaint = model_complaint(&driver->workload.model, &transcript, found);
        free(found);
        workload_close(&driver->workload);
    }
    if (complaint != NULL) {
        printf("not ok: %s\n", complaint);
        return 1;
    }
    printf("ok\n");
    return 0;
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
    workload_init(&driver->workload, viv_configuration_find(argv[2]), argv[3]);
    driver->is_early = argc > 4 && strcmp(argv[4], "early") == 0;
    driver->is_forgiving = argc > 4 && strcmp(argv[4], "forgive") == 0;
    viv_log_set_sink(VIV_LOG_INFO, print_line, NULL);
    int result = strcmp(argv[1], "run") == 0 ? run(driver) : check(driver);
    free(driver);
    return result;
}
