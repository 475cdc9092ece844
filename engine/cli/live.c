#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/http.h"
#include "cli/interrupt.h"
#include "cli/cli.h"
#include "cli/table.h"

/* top and slow: what a server tells of itself on its admin port, as a table or as JSON. */

enum { ADMIN_PORT = 8080, MS_PER_S = 1000, HOST_BYTES_MAX = 255, ROWS_USUAL = 20 };

struct place {
    char host[HOST_BYTES_MAX + 1];
    uint16_t port;
};

/* --admin HOST:PORT; without it the first server's host and the usual port. */
static bool find_place(const struct viv_cli *cli, const struct viv_cli_args *args, struct place *place)
{
    const char *admin = viv_cli_value(args, "--admin");
    const char *text = admin != NULL ? admin : cli->settings.servers;
    size_t size = strcspn(text, ",/");
    const char *colon = memrchr(text, ':', size);
    size_t host_size = colon != NULL ? (size_t)(colon - text) : size;
    uint64_t port = ADMIN_PORT;
    char port_text[8] = "";
    if (text[0] == '[' && host_size > 1 && text[host_size - 1] == ']') {
        text++;
        host_size -= 2;
    }
    if (admin != NULL && colon != NULL) {
        snprintf(port_text, sizeof port_text, "%s", colon + 1);
    }
    if (host_size == 0 || host_size > HOST_BYTES_MAX ||
        (*port_text != '\0' && (!viv_cli_parse_uint64(port_text, &port) || port == 0 || port > UINT16_MAX))) {
        return false;
    }
    memcpy(place->host, text, host_size);
    place->host[host_size] = '\0';
    place->port = (uint16_t)port;
    return true;
}

/* An answer that names an error is a refusal. */
static int read_answer(struct viv_bytes body, json_t **answer)
{
    json_error_t error;
    *answer = json_loadb((const char *)body.data, body.size, 0, &error);
    if (!json_is_object(*answer)) {
        viv_cli_error("the admin port's answer is not JSON: %s", error.text);
        return VIV_CLI_FAILED;
    }
    const char *refusal = json_string_value(json_object_get(*answer, "error"));
    if (refusal != NULL) {
        viv_cli_error("the server says: %s", refusal);
        return VIV_CLI_REFUSED;
    }
    return VIV_CLI_OK;
}

static int show_once(const struct viv_cli *cli, const struct place *place, const char *path, size_t rows_max,
                     bool clear_screen)
{
    struct viv_buffer body = {0};
    json_t *answer = NULL;
    int code = viv_cli_http_get(place->host, place->port, path, cli->settings.timeout_ms, &body);
    code = code == VIV_CLI_OK ? read_answer(viv_buffer_bytes(&body), &answer) : code;
    if (code == VIV_CLI_OK && cli->settings.json) {
        viv_cli_print_json(json_incref(answer));
    } else if (code == VIV_CLI_OK) {
        fputs(clear_screen ? "\033[H\033[2J" : "", stdout);
        viv_cli_table_print(answer, rows_max);
    }
    fflush(stdout);
    json_decref(answer);
    viv_buffer_fini(&body);
    return code;
}

static int show(struct viv_cli *cli, const struct viv_cli_args *args, const char *path, bool once)
{
    uint64_t interval = 2;
    uint64_t rows = ROWS_USUAL;
    struct place place;
    const char *interval_text = viv_cli_value(args, "--interval");
    const char *rows_text = viv_cli_value(args, "--rows");
    if ((interval_text != NULL &&
         (!viv_cli_parse_uint64(interval_text, &interval) || interval == 0 || interval > INT32_MAX / MS_PER_S)) ||
        (rows_text != NULL && !viv_cli_parse_uint64(rows_text, &rows)) || !find_place(cli, args, &place)) {
        return viv_cli_usage_error("--interval wants seconds, --rows a number, --admin HOST:PORT");
    }
    int code;
    do {
        code = show_once(cli, &place, path, rows, !once && isatty(STDOUT_FILENO));
        if (code == VIV_CLI_OK && !once) {
            (void)poll(NULL, 0, (int)interval * MS_PER_S);
        }
    } while (code == VIV_CLI_OK && !once && !viv_cli_interrupted());
    return code;
}

int viv_cli_run_top(struct viv_cli *cli, const struct viv_cli_args *args)
{
    return show(cli, args, "/commands/top", viv_cli_has(args, "--once"));
}

int viv_cli_run_slow(struct viv_cli *cli, const struct viv_cli_args *args)
{
    return show(cli, args, "/commands/slow", true);
}
