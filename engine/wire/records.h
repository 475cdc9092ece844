#ifndef VIV_WIRE_RECORDS_H
#define VIV_WIRE_RECORDS_H

#include "base/entry.h"
#include "wire/jute.h"
#include "wire/op.h"

/* Records shared by the client protocol and by transactions. Decoders borrow from the reader's bytes and report
 * violations through reader->bad. */

struct viv_stat { /* 68 bytes on the wire; cversion and ephemeral_owner as clients see them */
    int64_t czxid, mzxid, ctime, mtime;
    int32_t version, cversion, aversion;
    int64_t ephemeral_owner;
    int32_t data_bytes, child_count;
    int64_t pzxid;
};
enum { VIV_STAT_BYTES = 68 };
void viv_stat_encode(struct viv_buffer *out, const struct viv_stat *stat);
void viv_stat_decode(struct viv_jute_reader *reader, struct viv_stat *stat);

struct viv_connect_request {
    int32_t protocol_version;
    int64_t last_zxid_seen;
    int32_t timeout_ms;
    int64_t session_id;
    struct viv_jute_slice password;
    bool has_read_only, read_only;
};
struct viv_connect_response {
    int32_t timeout_ms;
    int64_t session_id;
    uint8_t password[16];
    bool has_read_only, read_only;
};
void viv_connect_request_encode(struct viv_buffer *out, const struct viv_connect_request *request);
void viv_connect_request_decode(struct viv_jute_reader *reader, struct viv_connect_request *request);
void viv_connect_response_encode(struct viv_buffer *out, const struct viv_connect_response *response);
void viv_connect_response_decode(struct viv_jute_reader *reader, struct viv_connect_response *response);

struct viv_request_header {
    int32_t xid, type;
};
struct viv_reply_header {
    int32_t xid;
    int64_t zxid;
    int32_t err;
};
void viv_request_header_encode(struct viv_buffer *out, const struct viv_request_header *header);
void viv_request_header_decode(struct viv_jute_reader *reader, struct viv_request_header *header);
void viv_reply_header_encode(struct viv_buffer *out, const struct viv_reply_header *header);
void viv_reply_header_decode(struct viv_jute_reader *reader, struct viv_reply_header *header);

struct viv_multi_header {
    int32_t type;
    bool done;
    int32_t err;
};
void viv_multi_header_encode(struct viv_buffer *out, const struct viv_multi_header *header);
void viv_multi_header_decode(struct viv_jute_reader *reader, struct viv_multi_header *header);

struct viv_watcher_event {
    int32_t type, state;
    struct viv_bytes path;
};
void viv_watcher_event_encode(struct viv_buffer *out, const struct viv_watcher_event *event);
void viv_watcher_event_decode(struct viv_jute_reader *reader, struct viv_watcher_event *event);

struct viv_create_request { /* 1, 15, 19; 21 has a ttl behind it */
    struct viv_jute_slice path, data;
    struct viv_bytes acl; /* the raw vector<ACL>, count first; bad when malformed */
    int32_t flags;
    int64_t ttl_ms; /* of op 21, else -1 */
};
void viv_create_request_encode(struct viv_buffer *out, const struct viv_create_request *request, enum viv_op op);
void viv_create_request_decode(struct viv_jute_reader *reader, struct viv_create_request *request, enum viv_op op);

struct viv_path_version_request {
    struct viv_jute_slice path;
    int32_t version;
}; /* 2, 13 */
struct viv_path_watch_request {
    struct viv_jute_slice path;
    bool watch;
}; /* 3, 4, 8, 12 */
struct viv_set_data_request {
    struct viv_jute_slice path, data;
    int32_t version;
}; /* 5 */
struct viv_set_acl_request {
    struct viv_jute_slice path;
    struct viv_bytes acl;
    int32_t version;
}; /* 7 */
void viv_path_version_request_encode(struct viv_buffer *out, const struct viv_path_version_request *request);
void viv_path_version_request_decode(struct viv_jute_reader *reader, struct viv_path_version_request *request);
void viv_path_watch_request_encode(struct viv_buffer *out, const struct viv_path_watch_request *request);
void viv_path_watch_request_decode(struct viv_jute_reader *reader, struct viv_path_watch_request *request);
void viv_set_data_request_encode(struct viv_buffer *out, const struct viv_set_data_request *request);
void viv_set_data_request_decode(struct viv_jute_reader *reader, struct viv_set_data_request *request);
void viv_set_acl_request_encode(struct viv_buffer *out, const struct viv_set_acl_request *request);
void viv_set_acl_request_decode(struct viv_jute_reader *reader, struct viv_set_acl_request *request);

/* A change of the ensemble: lists with commas of servers to join ("server.5=...") and numbers of those to leave, or all
 * members as lines. Ours: "leader=3", alone in the list of those to join, changes only who leads. */
#define VIV_RECONFIG_LEADER "leader="
struct viv_reconfig_request {
    struct viv_jute_slice joining, leaving, members;
    int64_t version; /* the one that is changed; -1: whichever it is */
};                   /* 16 */
void viv_reconfig_request_encode(struct viv_buffer *out, const struct viv_reconfig_request *request);
void viv_reconfig_request_decode(struct viv_jute_reader *reader, struct viv_reconfig_request *request);

/* Children in pieces (VIV_OP_GET_CHILDREN_PAGE). A list is begun with cursor 0; each answer names the cursor of the
 * next page, 0 after the last. A child that exists from the first page to the last is named exactly once; one that
 * comes or goes in between once or not at all. A cursor lives on its connection: VIV_REPLY_BAD_ARGUMENTS means that it
 * is gone, and the list is to be begun again. VIV_REPLY_THROTTLED: too many lists are read at once; try later. */
struct viv_children_page_request {
    struct viv_jute_slice path;
    int64_t cursor;
    int32_t names_max; /* 0 and less: as many as the server likes; it may always give fewer */
};
struct viv_children_page { /* the answer; behind it `name_count` strings, to be read off the same reader */
    int64_t cursor;
    int32_t name_count;
};
void viv_children_page_request_encode(struct viv_buffer *out, const struct viv_children_page_request *request);
void viv_children_page_request_decode(struct viv_jute_reader *reader, struct viv_children_page_request *request);
void viv_children_page_encode(struct viv_buffer *out, const struct viv_children_page *page);
void viv_children_page_decode(struct viv_jute_reader *reader, struct viv_children_page *page);

/* One ACL entry; a list travels raw and is walked with these. */
struct viv_acl_entry {
    int32_t perms;
    struct viv_jute_slice scheme, id;
};
void viv_acl_entry_encode(struct viv_buffer *out, const struct viv_acl_entry *entry);
void viv_acl_entry_decode(struct viv_jute_reader *reader, struct viv_acl_entry *entry);
/* Skips a whole vector<ACL> and returns its raw bytes, count first. */
struct viv_bytes viv_acl_list_read(struct viv_jute_reader *reader);
/* The raw bytes of {31 world:anyone}. */
struct viv_bytes viv_acl_open_unsafe(void);

/* ---- transactions: TxnHeader + record (on-disk-format.md §2.2) ---- */

struct viv_txn_header {
    int64_t session_id;
    int32_t cxid;
    uint64_t zxid;
    int64_t time_ms; /* wall clock */
    int32_t type;    /* enum viv_op; -1 error; -10, -11 session */
};
enum { VIV_TXN_HEADER_BYTES = 32 };
void viv_txn_header_encode(struct viv_buffer *out, const struct viv_txn_header *header);
void viv_txn_header_decode(struct viv_jute_reader *reader, struct viv_txn_header *header);

struct viv_create_txn { /* 1, 15; 19 without ephemeral; 21 with ttl */
    struct viv_bytes path;
    struct viv_jute_slice data;
    struct viv_bytes acl; /* raw vector */
    bool ephemeral;
    int32_t parent_cversion;
    int64_t ttl_ms;
};
void viv_create_txn_encode(struct viv_buffer *out, const struct viv_create_txn *txn, enum viv_op type);
void viv_create_txn_decode(struct viv_jute_reader *reader, struct viv_create_txn *txn, enum viv_op type);
struct viv_set_data_txn {
    struct viv_bytes path;
    struct viv_jute_slice data;
    int32_t version;
};
void viv_set_data_txn_encode(struct viv_buffer *out, const struct viv_set_data_txn *txn);
void viv_set_data_txn_decode(struct viv_jute_reader *reader, struct viv_set_data_txn *txn);
struct viv_set_acl_txn {
    struct viv_bytes path, acl;
    int32_t version;
};
void viv_set_acl_txn_encode(struct viv_buffer *out, const struct viv_set_acl_txn *txn);
void viv_set_acl_txn_decode(struct viv_jute_reader *reader, struct viv_set_acl_txn *txn);
struct viv_path_version_txn {
    struct viv_bytes path;
    int32_t version;
}; /* check; delete has the path only */
void viv_path_version_txn_encode(struct viv_buffer *out, const struct viv_path_version_txn *txn);
void viv_path_version_txn_decode(struct viv_jute_reader *reader, struct viv_path_version_txn *txn);

#endif /* VIV_WIRE_RECORDS_H */
