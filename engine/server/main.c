/* `vivarium`: reads options and the configuration, builds the rooms, runs until told to stop. */

#include <stdio.h>
#include <string.h>

#include <config.h>

#include "backends/registry.h"
#include "base/log.h"
#include "server/config.h"
#include "server/log_sink.h"
#include "server/server.h"

enum { BACKENDS_MAX = 32 };

static size_t list_backends(struct viv_config_backend *items)
{
    size_t count = 0;
    for (const struct viv_configuration *c = viv_configurations; c->name != NULL && count < BACKENDS_MAX; c++) {
        bool is_volatile = ((c->log->traits | c->state->traits) & VIV_STORE_VOLATILE) != 0;
        items[count++] = (struct viv_config_backend){c->name, is_volatile};
    }
    return count;
}

static void print_help(void)
{
    struct viv_buffer keys = {0};
    viv_config_describe_keys(&keys);
    fputs("Usage: vivarium FILE\n"
          "       vivarium --help | --version\n"
          "\n"
          "A coordination server for the clients of Apache ZooKeeper. Runs in the foreground, alone or as one server\n"
          "of an ensemble, as FILE says; logs to stderr; stops cleanly on SIGTERM or SIGINT.\n"
          "\n"
          "FILE is in the form of ZooKeeper's zoo.cfg: key=value lines, # begins a comment. Unknown keys are skipped\n"
          "with a warning; a bad value stops the start, after every error of FILE was listed with its line. A\n"
          "smallest FILE has two lines:\n"
          "\n"
          "  dataDir=/var/lib/vivarium\n"
          "  clientPort=2181\n"
          "\n"
          "An ensemble adds initLimit, syncLimit, one server line for each server, and on each server the file\n"
          "dataDir/myid that holds its number.\n"
          "\n"
          "Keys:\n",
          stdout);
    fwrite(keys.data, 1, keys.size, stdout);
    fputs("\nStorage configurations of this build (backend=):\n", stdout);
    for (const struct viv_configuration *c = viv_configurations; c->name != NULL; c++) {
        printf("  %-24s %s%s\n", c->name, c->purpose,
               strcmp(c->name, viv_configuration_default()) == 0 ? " [default of this build]" : "");
    }
    fputs("\n"
          "Files:\n"
          "  dataDir/vivarium         images of the tree; with dataLogDir, the log is in dataLogDir/vivarium\n"
          "  dataDir/version-2        what Apache ZooKeeper left: imported at the first start, never changed\n"
          "  dataDir/vivarium.imported  what was imported\n"
          "  dataDir/vivarium.replaced  what was there before the command restore of the admin port\n"
          "  dataDir/snapshots        what the command snapshot kept\n"
          "  dataDir/myid             the number of this server, 1 to 254\n"
          "  dataDir/ports            while it runs: the ports that are open: client=PORT and secureClient=PORT for\n"
          "                           clients, admin=PORT and metrics=PORT for operators\n"
          "\n"
          "Output: log lines on stderr; on stdout one JSON line that says what the recovery did and took.\n"
          "\n"
          "Exit status:\n"
          "  0  told to stop, and stopped\n"
          "  1  the machine refused something\n"
          "  2  the command line, FILE, or a port that is taken\n"
          "  3  the data: damaged, foreign, newer, held by another process, or the disk failed\n",
          stdout);
    viv_buffer_fini(&keys);
}

static void print_version(void)
{
    printf("vivarium %s\ndefault backend: %s\nbackends:", PACKAGE_VERSION, viv_configuration_default());
    for (const struct viv_configuration *c = viv_configurations; c->name != NULL; c++) {
        printf(" %s", c->name);
    }
    printf("\n");
}

static enum viv_exit run_file(const char *path)
{
    struct viv_config_backend items[BACKENDS_MAX];
    struct viv_config_backends backends = {items, list_backends(items), viv_configuration_default()};
    struct viv_config config;
    struct viv_config_report report = {0};
    viv_config_load(&config, path, &backends, &report);
    fprintf(stderr, "%.*s", (int)report.text.size, report.text.size > 0 ? (const char *)report.text.data : "");
    unsigned error_count = report.error_count;
    viv_config_report_fini(&report);
    if (error_count > 0) {
        fprintf(stderr, "%s: %u error%s; the server was not started\n", path, error_count, error_count > 1 ? "s" : "");
        return VIV_EXIT_CONFIG;
    }
    const struct viv_configuration *configuration = viv_configuration_find(config.backend);
    if (configuration == NULL) {
        fprintf(stderr, "%s: backend=%s is not in this build\n", path, config.backend);
        return VIV_EXIT_CONFIG;
    }
    return viv_server_run(&config, configuration->log, configuration->state);
}

int main(int argc, char **argv)
{
    viv_log_set_sink(VIV_LOG_INFO, viv_log_sink_stderr, NULL);
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        print_help();
        return VIV_EXIT_OK;
    }
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        print_version();
        return VIV_EXIT_OK;
    }
    if (argc != 2 || argv[1][0] == '-') {
        fprintf(stderr, "vivarium: expected one configuration file; vivarium --help explains\n");
        return VIV_EXIT_CONFIG;
    }
    return (int)run_file(argv[1]);
}
