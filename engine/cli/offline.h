#ifndef VIV_CLI_OFFLINE_H
#define VIV_CLI_OFFLINE_H

#include "cli/cli.h"
#include "datadir/import.h"
#include "datadir/reader.h"
#include "zkdata/recover.h"
#include "zkdata/snapshot.h"

/* What the commands that work on files share: a namespace is read from wherever it is, into a tree. Nothing that is
 * read is changed. */

enum viv_cli_source_kind {
    VIV_CLI_SOURCE_OURS,      /* a data directory of ours */
    VIV_CLI_SOURCE_ZOOKEEPER, /* one of ZooKeeper's, or its version-2 */
    VIV_CLI_SOURCE_SNAPSHOT,  /* a snapshot file of ZooKeeper's */
    VIV_CLI_SOURCE_DUMP,      /* a file of `dump` */
};

/* Of the log of a directory made here, which holds next to nothing; a server makes its next ones as it is configured.
 */
enum { VIV_CLI_SEGMENT_BYTES = 1 << 20 };

struct viv_cli_source_options {
    const char *log_dir, *backend;
    int64_t server_id; /* 0: from myid */
    uint64_t as_of;    /* 0: the newest */
    bool trust_empty;
    bool only_image; /* ours: the log is not replayed yet */
};

struct viv_cli_source {
    enum viv_cli_source_kind kind;
    struct viv_tree *tree; /* borrowed */
    uint64_t zxid;
    uint32_t accepted_epoch, current_epoch;
    int64_t server_id;                 /* 0: unknown */
    struct viv_datadir_reader *reader; /* ours */
    struct viv_datadir datadir;        /* ours: held while the source is open */
    struct viv_zk_recovered zookeeper;
    struct viv_zk_snapshot_info snapshot;
};

/* --as-of --log-dir --backend --server-id, as far as the command knows them. An exit code; told. */
int viv_cli_source_options_read(const struct viv_cli_args *args, struct viv_cli_source_options *out);
/* A number from 1 to 254; 0 when the option was not given. */
int viv_cli_read_server_id(const struct viv_cli_args *args, const char *name, int64_t *server_id);
/* An exit code; told. */
int viv_cli_source_open(const char *path, const struct viv_cli_source_options *options, struct viv_cli_source *out);
void viv_cli_source_close(struct viv_cli_source *source);

/* "0x4d" or "77". */
bool viv_cli_parse_zxid(const char *text, uint64_t *zxid);
/* A failure of the machine, or a refusal; the failure itself was logged. */
int viv_cli_exit_of(viv_status status);
/* The storage configurations of this build; ends with a NULL name. */
const struct viv_datadir_pairing *viv_cli_pairings(void);
/* By name, NULL is the build's default, or flat where that keeps nothing. NULL, told: it keeps nothing, or is none. */
const struct viv_datadir_pairing *viv_cli_pairing(const char *name);

/* A new data directory of ours at `path`, holding the tree; `path` must not hold one. */
struct viv_cli_target_plan {
    const char *path, *log_dir, *backend;
    int64_t server_id; /* 0: alone, no myid is written */
    uint32_t accepted_epoch, current_epoch;
};
int viv_cli_build(const struct viv_cli_target_plan *plan, struct viv_tree *tree);
/* The tree moves on to the beginning of the next epoch: behind every zxid that a client can have seen, so that clients
 * come back by themselves. `epoch` and `zxid` are the highest that are known. */
uint32_t viv_cli_advance_epoch(struct viv_tree *tree, uint32_t epoch, uint64_t zxid);
/* One small file, whole or not at all. */
int viv_cli_write_text(const char *folder, const char *name, const char *text);

#endif /* VIV_CLI_OFFLINE_H */
