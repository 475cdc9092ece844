#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/counts.h"
#include "cli/http.h"
#include "cli/interrupt.h"
#include "cli/cli.h"
#include "cli/table.h"

/* top and slow: what a server tells of itself on its admin port, as a table or as JSON. */

enum { ADMIN_PORT = 8080, MS_PER_S = 1000, ROWS_USUAL = 20, COUNTED_MAX = 100000 };

/* --admin [https://]HOST:PORT; without it the first server's host and the usual port, plain. */
static bool find_place(const struct viv_cli *cli, const struct viv_cli_args *args, struct viv_cli_http_place *place)
{
    static const char secure[] = "https://", plain[] = "http://";
    const char *admin = viv_cli_value(args, "--admin");
    const char *text = admin != NULL ? admin : cli->settings.servers;
    bool is_secure = strncmp(text, secure, sizeof secure - 1) == 0;
    text += is_secure ? sizeof secure - 1 : strncmp(text, plain, sizeof plain - 1) == 0 ? sizeof plain - 1 : 0;
    place->tls = is_secure ? cli->tls : NULL;
    if (is_secure && cli->tls == NULL) {
        viv_cli_error("https:// needs to know whom to trust: --tls or --tls-trust FILE");
        return false;
    }
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
    if (host_size == 0 || host_size >= sizeof place->host ||
        (*port_text != '\0' && (!viv_cli_parse_uint64(port_text, &port) || port == 0 || port > UINT16_MAX))) {
        return false;
    }
    memcpy(place->host, text, host_size);
    place->host[host_size] = '\0';
    place->port = (uint16_t)port;
    return true;
}

/* An answer that names an error is a refusal. */
static int read_answer(struct viv_bytes body, size_t flags, json_t **answer)
{
    json_error_t error;
    *answer = json_loadb((const char *)body.data, body.size, flags, &error);
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

/* flags: jansson's for reading. */
static int ask(const struct viv_cli *cli, const struct viv_cli_http_place *place, const char *command, size_t flags,
               json_t **answer)
{
    struct viv_buffer body = {0};
    struct viv_buffer path = {0};
    viv_buffer_printf(&path, "/commands/%s%c", command, '\0');
    int code = viv_cli_http_get(place, (const char *)path.data, cli->settings.timeout_ms, &body);
    code = code == VIV_CLI_OK ? read_answer(viv_buffer_bytes(&body), flags, answer) : code;
    viv_buffer_fini(&path);
    viv_buffer_fini(&body);
    return code;
}

/* A list that a server tells only whole, counted by its keys: into the rows of `top` that it concerns, and the longest
 * as a list of their own. */
struct counted {
    const char *size_command, *size_member; /* how long it is */
    const char *command, *member;
    const char *rows, *name_key, *count_key, *own_list;
};

static const struct counted counted[] = {
    {"watch_summary", "num_total_watches", "watches_by_path", "path_to_session_ids", "paths", "path", "watches",
     "most_watched"},
    {"monitor", "ephemerals_count", "dump", "session_id_to_ephemeral_paths", "sessions", "session_id", "ephemerals",
     "most_ephemerals"},
};

static int add_counts(const struct viv_cli *cli, const struct viv_cli_http_place *place, size_t rows_max,
                      json_t *answer)
{
    int code = VIV_CLI_OK;
    for (size_t i = 0; code == VIV_CLI_OK && i < sizeof counted / sizeof *counted; i++) {
        const struct counted *one = &counted[i];
        json_t *size = NULL;
        json_t *whole = NULL;
        /* Digests among these numbers may not fit into an integer of jansson's. */
        code = ask(cli, place, one->size_command, JSON_DECODE_INT_AS_REAL, &size);
        /* A glance at a server must not cost it a walk over millions. */
        if (code == VIV_CLI_OK && json_number_value(json_object_get(size, one->size_member)) <= COUNTED_MAX) {
            code = ask(cli, place, one->command, 0, &whole);
        }
        if (code == VIV_CLI_OK && whole != NULL) {
            const json_t *lists = json_object_get(whole, one->member);
            viv_cli_count_into(json_object_get(answer, one->rows), lists, one->name_key, one->count_key);
            json_object_set_new(answer, one->own_list,
                                viv_cli_count_lists(lists, one->name_key, one->count_key, rows_max));
        }
        json_decref(size);
        json_decref(whole);
    }
    return code;
}

struct view {
    const char *command;
    const char *by; /* the column to sort by; NULL: as the server does */
    size_t rows_max;
    bool with_counts, clear_screen;
};

static int show_once(const struct viv_cli *cli, const struct viv_cli_http_place *place, const struct view *view)
{
    json_t *answer = NULL;
    int code = ask(cli, place, view->command, 0, &answer);
    if (code == VIV_CLI_OK && view->with_counts) {
        code = add_counts(cli, place, view->rows_max, answer);
    }
    if (code == VIV_CLI_OK && view->by != NULL) {
        viv_cli_sort_by(answer, view->by);
    }
    if (code == VIV_CLI_OK && cli->settings.json) {
        viv_cli_print_json(json_incref(answer));
    } else if (code == VIV_CLI_OK) {
        fputs(view->clear_screen ? "\033[H\033[2J" : "", stdout);
        viv_cli_table_print(answer, view->rows_max);
    }
    fflush(stdout);
    json_decref(answer);
    return code;
}

static int show(struct viv_cli *cli, const struct viv_cli_args *args, struct view *view, bool once)
{
    uint64_t interval = 2;
    uint64_t rows = ROWS_USUAL;
    struct viv_cli_http_place place;
    const char *interval_text = viv_cli_value(args, "--interval");
    const char *rows_text = viv_cli_value(args, "--rows");
    if ((interval_text != NULL &&
         (!viv_cli_parse_uint64(interval_text, &interval) || interval == 0 || interval > INT32_MAX / MS_PER_S)) ||
        (rows_text != NULL && !viv_cli_parse_uint64(rows_text, &rows)) || !find_place(cli, args, &place)) {
        return viv_cli_usage_error("--interval wants seconds, --rows a number, --admin HOST:PORT");
    }
    int code;
    view->rows_max = rows;
    view->by = viv_cli_value(args, "--by");
    view->clear_screen = !once && isatty(STDOUT_FILENO);
    do {
        code = show_once(cli, &place, view);
        if (code == VIV_CLI_OK && !once) {
            (void)poll(NULL, 0, (int)interval * MS_PER_S);
        }
    } while (code == VIV_CLI_OK && !once && !viv_cli_interrupted());
    return code;
}

int viv_cli_run_top(struct viv_cli *cli, const struct viv_cli_args *args)
{
    struct view view = {.command = "top", .with_counts = true};
    return show(cli, args, &view, viv_cli_has(args, "--once"));
}

int viv_cli_run_slow(struct viv_cli *cli, const struct viv_cli_args *args)
{
    struct view view = {.command = "slow"};
    return show(cli, args, &view, true);
}
