#include <dirent.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "config.h"
#include "experiments/lab/estimate.h"
#include "experiments/lab/files.h"
#include "experiments/lab/report.h"
#include "experiments/lab/run.h"
#include "experiments/lab/selftest.h"

/* vivarium-lab: reads the command line and hands over to the command. */

struct command {
    const char *name;
    const char *summary;
    const char *help;
    int (*main)(int argc, char **argv);
};

static int run_main(int argc, char **argv);
static int report_main(int argc, char **argv);
static int compare_main(int argc, char **argv);
static int list_main(int argc, char **argv);
static int selftest_main(int argc, char **argv);

static const struct command commands[] = {
    {"run", "run a plan",
     "vivarium-lab run PLAN.yaml [--dry-run | --estimate] [--resume DIR] [--results DIR]\n\n"
     "  --dry-run      print the resolved plan, every configuration file and command line; start nothing\n"
     "  --estimate     print trials, minutes, disk and memory; exit code 1 when something cannot fit\n"
     "  --resume DIR   go on with a run that was interrupted: trials that are there are kept\n"
     "  --results DIR  where results go (default: `results` beside the plan)\n\n"
     "Prints the folder of the results. Exit code 0: every trial is valid (or its system is not there);\n"
     "1: some failed or are invalid; 2: the plan is wrong or the machine refused; 130: interrupted.\n",
     run_main},
    {"report", "show a run as a table and write its HTML page",
     "vivarium-lab report DIR\n\nDIR is a run's folder. Prints the table, writes DIR/report.html (self-contained) and\n"
     "DIR/summary.json. Exit code 2 when DIR is not a run.\n",
     report_main},
    {"compare", "compare two runs of the same plan",
     "vivarium-lab compare BEFORE AFTER [--json]\n\n"
     "A figure is worse when it differs by more than both runs' noise and "
     "their ranges do not overlap.\nExit code 0: nothing is worse; 1: something is; 2: it cannot be told.\n",
     compare_main},
    {"list", "list the plans of a folder, and past runs",
     "vivarium-lab list [DIR]\n\nPlans in DIR (default: experiments) with their questions, and the runs in "
     "DIR/results.\n",
     list_main},
    {"selftest", "check the load generator against a server whose freezes are known",
     "vivarium-lab selftest\n\nDrives a null server that answers everything and freezes on schedule. The percentiles\n"
     "measured must agree with those expected, and a generator that omits what came due in the freezes\n"
     "must be caught. Exit code 0: both hold; 1: they do not; 2: the machine is too busy to tell.\n",
     selftest_main},
};

enum { COMMAND_COUNT = sizeof commands / sizeof *commands };

static void usage(FILE *to)
{
    fprintf(to, "vivarium-lab COMMAND ...   experiments with coordination servers\n\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        fprintf(to, "  %-10s %s\n", commands[i].name, commands[i].summary);
    }
    fprintf(to, "\nvivarium-lab COMMAND --help tells more; vivarium-lab --version.\n");
}

static void write_log(void *ctx, enum viv_log_level level, const char *room, const char *text, const char *fields)
{
    static const char *const levels[] = {"debug", "info", "warning", "error"};
    (void)ctx;
    fprintf(stderr, "%s: %s: %s %s\n", levels[level], room, text, fields);
}

/* The server is built and installed beside the lab; the library that freezes syncs is built there. */
static char *beside(const char *name)
{
    char path[4096];
    ssize_t size = readlink("/proc/self/exe", path, sizeof path - 1);
    path[size > 0 ? size : 0] = '\0';
    char *slash = strrchr(path, '/');
    return slash != NULL ? viv_text("%.*s/%s", (int)(slash - path), path, name) : viv_text("%s", name);
}

enum run_mode { RUN_FOR_REAL, RUN_DRY, RUN_ESTIMATE };

static int run_plan(const struct viv_plan *plan, const struct viv_run_options *options, enum run_mode mode)
{
    struct viv_buffer out = {0};
    bool fits = true;
    if (mode == RUN_DRY) {
        viv_run_dry(plan, options, &out);
    } else {
        fits = viv_estimate_print(plan, options->results_dir != NULL ? options->results_dir : ".", &out);
    }
    if (mode != RUN_FOR_REAL || !fits) {
        fwrite(out.data, 1, out.size, mode == RUN_FOR_REAL ? stderr : stdout);
    }
    viv_buffer_fini(&out);
    if (mode != RUN_FOR_REAL) {
        return fits ? VIV_EXIT_OK : VIV_EXIT_FAILED;
    }
    return fits ? viv_run(plan, options) : VIV_EXIT_TROUBLE;
}

static int run_main(int argc, char **argv)
{
    static const struct option known[] = {{"dry-run", no_argument, NULL, 'd'},
                                          {"estimate", no_argument, NULL, 'e'},
                                          {"resume", required_argument, NULL, 'r'},
                                          {"results", required_argument, NULL, 'o'},
                                          {0}};
    struct viv_run_options options = {0};
    enum run_mode mode = RUN_FOR_REAL;
    int option;
    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (option) {
        case 'd':
            mode = RUN_DRY;
            break;
        case 'e':
            mode = RUN_ESTIMATE;
            break;
        case 'r':
            options.resume_dir = optarg;
            break;
        case 'o':
            options.results_dir = optarg;
            break;
        default:
            return VIV_EXIT_TROUBLE;
        }
    }
    if (optind + 1 != argc) {
        fputs(commands[0].help, stderr);
        return VIV_EXIT_TROUBLE;
    }
    struct viv_plan plan;
    struct viv_buffer errors = {0};
    if (viv_plan_load(argv[optind], &plan, &errors) != VIV_OK) {
        fwrite(errors.data, 1, errors.size, stderr);
        viv_buffer_fini(&errors);
        return VIV_EXIT_TROUBLE;
    }
    char *server = beside("vivarium");
    char *shim = beside("sync_shim.so");
    options.places = (struct viv_system_places){.vivarium_program = server, .sync_shim = shim};
    int code = run_plan(&plan, &options, mode);
    free(server);
    free(shim);
    viv_buffer_fini(&errors);
    viv_plan_fini(&plan);
    return code;
}

static int ends_in_yaml(const struct dirent *entry)
{
    size_t size = strlen(entry->d_name);
    return size > 5 && strcmp(entry->d_name + size - 5, ".yaml") == 0;
}

static int visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static void list_runs(const char *dir, const char *plan_name)
{
    struct dirent **runs;
    char *path = viv_text("%s/results/%s", dir, plan_name);
    int count = scandir(path, &runs, visible, alphasort);
    for (int i = 0; i < count; i++) {
        printf("    results/%s/%s\n", plan_name, runs[i]->d_name);
        free(runs[i]);
    }
    if (count >= 0) {
        free(runs);
    }
    free(path);
}

static int report_main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: vivarium-lab report DIR\n");
        return VIV_EXIT_TROUBLE;
    }
    return viv_report(argv[1]);
}

static int compare_main(int argc, char **argv)
{
    bool as_json = argc == 4 && strcmp(argv[3], "--json") == 0;
    if (argc != 3 && !as_json) {
        fprintf(stderr, "usage: vivarium-lab compare BEFORE AFTER [--json]\n");
        return VIV_EXIT_TROUBLE;
    }
    return viv_compare(argv[1], argv[2], as_json);
}

static int list_main(int argc, char **argv)
{
    const char *dir = argc > 1 ? argv[1] : "experiments";
    struct dirent **files;
    int count = scandir(dir, &files, ends_in_yaml, alphasort);
    if (count < 0) {
        fprintf(stderr, "vivarium-lab: %s cannot be listed\n", dir);
        return VIV_EXIT_TROUBLE;
    }
    for (int i = 0; i < count; i++) {
        char *path = viv_text("%s/%s", dir, files[i]->d_name);
        struct viv_plan plan;
        struct viv_buffer errors = {0};
        if (viv_plan_load(path, &plan, &errors) == VIV_OK) {
            printf("%s: %s (%u cells, %u trials each)\n", files[i]->d_name, plan.question, plan.cell_count,
                   plan.trials);
            list_runs(dir, plan.name);
            viv_plan_fini(&plan);
        } else {
            printf("%s: not a plan that can be run: %.*s", files[i]->d_name, (int)errors.size, (char *)errors.data);
        }
        viv_buffer_fini(&errors);
        free(path);
        free(files[i]);
    }
    free(files);
    return VIV_EXIT_OK;
}

static int selftest_main(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    switch (viv_selftest(stdout)) {
    case VIV_SELFTEST_OK:
        return VIV_EXIT_OK;
    case VIV_SELFTEST_BUSY:
        return VIV_EXIT_TROUBLE;
    case VIV_SELFTEST_FAILED:
        break;
    }
    return VIV_EXIT_FAILED;
}

/* A session is a descriptor, here and in the servers, which inherit the limit. */
static void allow_many_files(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

int main(int argc, char **argv)
{
    allow_many_files();
    viv_log_set_sink(VIV_LOG_WARN, write_log, NULL);
    if (argc > 1 && strcmp(argv[1], "--version") == 0) {
        printf("vivarium-lab %s\n", PACKAGE_VERSION);
        return VIV_EXIT_OK;
    }
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        usage(argc < 2 ? stderr : stdout);
        return argc < 2 ? VIV_EXIT_TROUBLE : VIV_EXIT_OK;
    }
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(argv[1], commands[i].name) == 0) {
            if (argc > 2 && strcmp(argv[2], "--help") == 0) {
                fputs(commands[i].help, stdout);
                return VIV_EXIT_OK;
            }
            return commands[i].main(argc - 1, argv + 1);
        }
    }
    fprintf(stderr, "vivarium-lab: there is no command %s\n\n", argv[1]);
    usage(stderr);
    return VIV_EXIT_TROUBLE;
}
