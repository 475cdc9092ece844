#ifndef VIV_CLI_DUMP_FILE_H
#define VIV_CLI_DUMP_FILE_H

#include <stdio.h>

#include "cli/cli.h"
#include "tree/tree.h"

/* The file of `dump` and `restore`: JSON Lines, one znode a line, parents before children.
 *
 *   {"vivarium_dump": 1, "root": "/app", "zxid": "0x4d", "exact": true}
 *   {"session": "0x10000124f4c0000", "timeout_ms": 30000}                         whole namespaces from a directory
 * only
 *   {"path": "/app", "kind": "persistent", "text": "hello", "acl": [[31, "world", "anyone"]],
 *    "stat": {"czxid": 4, "mzxid": 4, "pzxid": 5, "ctime": 1795166846388, "mtime": 1795166846388,
 *             "version": 0, "children_created": 1, "aversion": 0}}
 *   {"end": true, "nodes": 1}
 *
 * kind: persistent, ephemeral (with "owner", the session), container, ttl (with "ttl_ms"). The value is "text" where it
 * is UTF-8, else "base64"; neither: null, which is not empty. A path that is no UTF-8 is "path_base64". "exact" is
 * false when the nodes were read one after the other while a server went on. Without the last line a file is cut off.
 */

enum viv_cli_ephemerals { VIV_CLI_EPHEMERALS_SKIP, VIV_CLI_EPHEMERALS_PERSISTENT, VIV_CLI_EPHEMERALS_KEEP };

struct viv_cli_dump_node {
    struct viv_bytes path;
    struct viv_jute_slice data;
    struct viv_bytes acl; /* raw vector<ACL> */
    uint64_t czxid, mzxid, pzxid;
    int64_t ctime_ms, mtime_ms;
    int32_t version, children_created, aversion;
    int64_t owner; /* raw, as in ZooKeeper's files */
};

struct viv_cli_dump_header {
    struct viv_bytes root;
    uint64_t zxid;
    bool exact;
};

/* ---- out; a failed write shows in ferror(file) ---- */
void viv_cli_dump_write_header(FILE *file, const struct viv_cli_dump_header *header);
void viv_cli_dump_write_session(FILE *file, int64_t session_id, int32_t timeout_ms);
void viv_cli_dump_write_node(FILE *file, const struct viv_cli_dump_node *node);
void viv_cli_dump_write_end(FILE *file, uint64_t nodes);

/* ---- in ---- */
enum viv_cli_dump_line { VIV_CLI_DUMP_HEADER, VIV_CLI_DUMP_SESSION, VIV_CLI_DUMP_NODE, VIV_CLI_DUMP_END };

struct viv_cli_dump_reader; /* keeps one line */

struct viv_cli_dump_item { /* borrows until the next call */
    enum viv_cli_dump_line line;
    struct viv_cli_dump_header header;
    struct viv_cli_dump_node node;
    int64_t session_id;
    int32_t timeout_ms;
};

/* NULL, told: it cannot be opened. "-" is standard input. */
struct viv_cli_dump_reader *viv_cli_dump_open(const char *path);
void viv_cli_dump_close(struct viv_cli_dump_reader *reader);
/* False, told with its line: the file is damaged or cut off. Lines come in the order of the format; END is the last. */
bool viv_cli_dump_next(struct viv_cli_dump_reader *reader, struct viv_cli_dump_item *item);

struct viv_cli_restore_options {
    const char *at; /* the dump's root comes here; NULL: where it was */
    enum viv_cli_ephemerals ephemerals;
};
struct viv_cli_restore_counts {
    uint64_t nodes, ephemerals_left_out, sessions;
    uint64_t zxid;
};
/* The path of a dumped node at its new place, into *out. */
void viv_cli_dump_move(struct viv_bytes path, struct viv_bytes root, const char *at, struct viv_buffer *out);
/* The dump as a tree (its file must be seekable): the parts of a fresh namespace that it does not hold are added. An
 * exit code; told. */
int viv_cli_dump_load(const char *path, const struct viv_cli_restore_options *options, struct viv_tree **tree,
                      struct viv_cli_restore_counts *counts);

#endif /* VIV_CLI_DUMP_FILE_H */
