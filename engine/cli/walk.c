#include "cli/walk.h"

#include <stdlib.h>
#include <string.h>

#include "cli/link.h"

enum { WINDOW = 128 }; /* requests on their way at once; a server serves 1000 of one connection */

static void ask_children(struct viv_cli *cli, struct viv_bytes path)
{
    char *full = viv_cli_path_of(cli, path);
    struct viv_buffer record = {0};
    struct viv_path_watch_request request = {.path = {.bytes = viv_bytes_text(full)}};
    viv_path_watch_request_encode(&record, &request);
    viv_cli_send(cli, VIV_OP_GET_CHILDREN, viv_buffer_bytes(&record));
    viv_buffer_fini(&record);
    free(full);
}

struct subtree {
    struct viv_cli_names *paths;
    size_t of;    /* whose children are being added: an index, as the names move when one is added */
    size_t *wide; /* those with too many for one answer: owned */
    size_t wide_count;
};

static void add_child(void *ctx, struct viv_bytes name)
{
    struct subtree *subtree = ctx;
    struct viv_bytes parent = viv_cli_name(subtree->paths, subtree->of);
    struct viv_buffer path = {0};
    viv_buffer_append(&path, parent.data, parent.size > 1 ? parent.size : 0);
    viv_buffer_append(&path, "/", 1);
    viv_buffer_append_bytes(&path, name);
    viv_cli_names_add(subtree->paths, viv_buffer_bytes(&path));
    viv_buffer_fini(&path);
}

static bool for_names(struct viv_jute_reader *reader, int32_t count, viv_cli_child_fn *each, void *ctx)
{
    for (int32_t i = 0; i < count && !reader->bad; i++) {
        struct viv_bytes name = viv_jute_read_buffer(reader).bytes;
        if (!reader->bad) {
            each(ctx, name);
        }
    }
    if (reader->bad) {
        viv_cli_error("the server's answer cannot be read; is it a ZooKeeper service?");
    }
    return !reader->bad;
}

int viv_cli_for_children(struct viv_cli *cli, const char *path, viv_cli_child_fn *each, void *ctx)
{
    char *full = viv_cli_path(cli, path);
    struct viv_children_page page = {0};
    int code = full != NULL ? VIV_CLI_OK : VIV_CLI_USAGE;
    do {
        struct viv_buffer record = {0};
        struct viv_cli_reply reply = {0};
        struct viv_children_page_request request = {.path = {.bytes = viv_bytes_text(full != NULL ? full : "")},
                                                    .cursor = page.cursor};
        if (code == VIV_CLI_OK) {
            viv_children_page_request_encode(&record, &request);
            viv_cli_ask(cli, VIV_OP_GET_CHILDREN_PAGE, viv_buffer_bytes(&record), &reply);
            code = reply.err == VIV_REPLY_OK ? VIV_CLI_OK : viv_cli_refused(cli, reply.err, path);
        }
        if (code == VIV_CLI_OK) {
            struct viv_jute_reader reader = viv_jute_reader_of(viv_buffer_bytes(&reply.body));
            viv_children_page_decode(&reader, &page);
            code = for_names(&reader, page.name_count, each, ctx) ? VIV_CLI_OK : VIV_CLI_FAILED;
        }
        viv_cli_reply_fini(&reply);
        viv_buffer_fini(&record);
    } while (code == VIV_CLI_OK && page.cursor != 0);
    free(full);
    return code;
}

static int take_answer(struct viv_cli *cli, struct subtree *subtree)
{
    struct viv_cli_reply reply;
    int code = VIV_CLI_OK;
    viv_cli_fetch(cli, &reply);
    if (reply.err == VIV_REPLY_OK) {
        struct viv_jute_reader reader = viv_jute_reader_of(viv_buffer_bytes(&reply.body));
        int32_t count = viv_jute_read_count(&reader, 4);
        code = for_names(&reader, count, add_child, subtree) ? VIV_CLI_OK : VIV_CLI_FAILED;
    } else if (reply.err == VIV_REPLY_MARSHALLING_ERROR) {
        subtree->wide = viv_realloc(subtree->wide, (subtree->wide_count + 1) * sizeof *subtree->wide);
        subtree->wide[subtree->wide_count++] = subtree->of;
    } else if (reply.err != VIV_REPLY_NO_NODE || subtree->of == 0) {
        struct viv_bytes path = viv_cli_name(subtree->paths, subtree->of);
        char *text = strndup((const char *)path.data, path.size);
        code = viv_cli_refused(cli, reply.err, text);
        free(text);
    }
    viv_cli_reply_fini(&reply);
    return code;
}

static int add_wide(struct viv_cli *cli, struct subtree *subtree)
{
    int code = VIV_CLI_OK;
    for (size_t i = 0; code == VIV_CLI_OK && i < subtree->wide_count; i++) {
        subtree->of = subtree->wide[i];
        struct viv_bytes path = viv_cli_name(subtree->paths, subtree->of);
        char *text = strndup((const char *)path.data, path.size);
        code = viv_cli_for_children(cli, text, add_child, subtree);
        free(text);
    }
    subtree->wide_count = 0;
    return code;
}

/* With '/' before everything else a node comes before its children, and these before its next sibling. */
static int by_path(const void *a, const void *b, void *ctx)
{
    const struct viv_cli_name_span *left = a;
    const struct viv_cli_name_span *right = b;
    const uint8_t *l = (const uint8_t *)ctx + left->at;
    const uint8_t *r = (const uint8_t *)ctx + right->at;
    size_t size = left->size < right->size ? left->size : right->size;
    for (size_t i = 0; i < size; i++) {
        if (l[i] != r[i]) {
            return l[i] == '/' ? -1 : r[i] == '/' ? 1 : l[i] < r[i] ? -1 : 1;
        }
    }
    return left->size < right->size ? -1 : left->size > right->size;
}

int viv_cli_list_subtree(struct viv_cli *cli, const char *path, struct viv_cli_names *paths)
{
    struct subtree subtree = {.paths = paths};
    int code = VIV_CLI_OK;
    size_t asked = 0;
    if (*path != '/') {
        return viv_cli_usage_error("%s: Path must start with / character", path);
    }
    viv_cli_names_add(paths, viv_bytes_text(path));
    for (size_t answered = 0; code == VIV_CLI_OK && answered < paths->count; answered++) {
        while (asked < paths->count && asked - answered < WINDOW) {
            ask_children(cli, viv_cli_name(paths, asked++));
        }
        subtree.of = answered;
        code = take_answer(cli, &subtree);
        if (code == VIV_CLI_OK && answered + 1 == paths->count) {
            code = add_wide(cli, &subtree); /* nothing is on its way any more */
        }
    }
    free(subtree.wide);
    viv_cli_forget_answers(cli);
    if (code == VIV_CLI_OK) {
        qsort_r(paths->spans, paths->count, sizeof *paths->spans, by_path, paths->bytes.data);
    }
    return code;
}

int viv_cli_walk(struct viv_cli *cli, const char *path, enum viv_cli_walk_order order, viv_cli_visit_fn *visit,
                 void *ctx)
{
    struct viv_cli_names paths = {0};
    int code = viv_cli_list_subtree(cli, path, &paths);
    for (size_t i = 0; code == VIV_CLI_OK && i < paths.count; i++) {
        code = visit(ctx, cli, viv_cli_name(&paths, order == VIV_CLI_PARENTS_FIRST ? i : paths.count - 1 - i));
    }
    viv_cli_names_fini(&paths);
    return code;
}

struct deletion {
    size_t sent, window;
    uint64_t deleted;
};

static int take_deleted(struct viv_cli *cli, struct deletion *deletion, const char *path)
{
    struct viv_cli_reply reply;
    viv_cli_fetch(cli, &reply);
    deletion->sent--;
    deletion->deleted += reply.err == VIV_REPLY_OK;
    /* Gone already: somebody else was quicker. */
    bool gone = reply.err == VIV_REPLY_OK || reply.err == VIV_REPLY_NO_NODE;
    int code = gone ? VIV_CLI_OK : viv_cli_refused(cli, reply.err, path);
    viv_cli_reply_fini(&reply);
    return code;
}

static int delete_one(void *ctx, struct viv_cli *cli, struct viv_bytes path)
{
    struct deletion *deletion = ctx;
    char *shown = strndup((const char *)path.data, path.size);
    char *full = viv_cli_path(cli, shown);
    struct viv_path_version_request request = {.path = {.bytes = viv_bytes_text(full)}, .version = -1};
    struct viv_buffer record = {0};
    viv_path_version_request_encode(&record, &request);
    viv_cli_send(cli, VIV_OP_DELETE, viv_buffer_bytes(&record));
    deletion->sent++;
    int code = deletion->sent >= deletion->window ? take_deleted(cli, deletion, shown) : VIV_CLI_OK;
    viv_buffer_fini(&record);
    free(full);
    free(shown);
    return code;
}

int viv_cli_delete_subtree(struct viv_cli *cli, const char *path, size_t window, uint64_t *deleted)
{
    struct deletion deletion = {.window = window};
    int code = viv_cli_walk(cli, path, VIV_CLI_CHILDREN_FIRST, delete_one, &deletion);
    while (code == VIV_CLI_OK && deletion.sent > 0) {
        code = take_deleted(cli, &deletion, path);
    }
    viv_cli_forget_answers(cli);
    *deleted = deletion.deleted;
    return code;
}

int viv_cli_create_parents(struct viv_cli *cli, struct viv_bytes path, struct viv_bytes acl)
{
    struct viv_buffer record = {0};
    int code = VIV_CLI_OK;
    for (size_t i = 1; i < path.size && code == VIV_CLI_OK; i++) {
        if (path.data[i] != '/') {
            continue;
        }
        struct viv_cli_reply reply;
        char *full = viv_cli_path_of(cli, viv_bytes_of(path.data, i));
        const struct viv_create_request request = {
            .path.bytes = viv_bytes_text(full), .data.null = true, .acl = acl, .ttl_ms = -1};
        viv_buffer_clear(&record);
        viv_create_request_encode(&record, &request, VIV_OP_CREATE);
        viv_cli_ask(cli, VIV_OP_CREATE, viv_buffer_bytes(&record), &reply);
        if (reply.err != VIV_REPLY_OK && reply.err != VIV_REPLY_NODE_EXISTS) {
            code = viv_cli_refused(cli, reply.err, full);
        }
        viv_cli_reply_fini(&reply);
        free(full);
    }
    viv_buffer_fini(&record);
    return code;
}
