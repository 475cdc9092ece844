#ifndef VIV_TESTS_SUPPORT_NODE_CLIENT_H
#define VIV_TESTS_SUPPORT_NODE_CLIENT_H

#include "tests/support/node_net.h"
#include "wire/records.h"

/* A ZooKeeper client in the virtual time of a node_net: one connection at a time, and a session that survives it. The
 * calls that wait run the net; they fail the test when no answer comes in time, unless their text says otherwise. */

struct viv_node_client {
    struct viv_node_net *net;
    viv_conn conn;
    int64_t session_id;
    uint8_t password[16];
    int32_t timeout_ms;                  /* as negotiated; 0: refused */
    bool may_be_read_only, is_read_only; /* asked for; told by the last handshake */
    int32_t xid;                         /* of the last request */
    int64_t last_zxid;
    struct viv_reply_header header; /* of the last reply */
    struct viv_buffer record;       /* of the last reply, after its header */
    struct viv_buffer events;       /* "type path\n" of every notification so far */
    struct viv_buffer order;        /* 'e' for every notification, 'r' for every reply, as they came */
    struct viv_buffer scratch;
};

void viv_node_client_init(struct viv_node_client *client, struct viv_node_net *net);
void viv_node_client_fini(struct viv_node_client *client);

/* A new session, or the old one again (session_id != 0). False when the server refused or closed. */
bool viv_node_client_open(struct viv_node_client *client, size_t server, int32_t timeout_ms);
/* The two halves of it: asks; waits for the answer. */
void viv_node_client_knock(struct viv_node_client *client, size_t server, int32_t timeout_ms);
bool viv_node_client_enter(struct viv_node_client *client);
/* A session on whichever server runs. */
bool viv_node_client_open_any(struct viv_node_client *client, int32_t timeout_ms);
/* Sends without waiting. Returns the xid. */
int32_t viv_node_client_send(struct viv_node_client *client, int32_t op, struct viv_bytes record);
/* Takes the next reply that is there, and every notification before it; false when there is none. */
bool viv_node_client_receive(struct viv_node_client *client);
/* The next reply, within limit_ms; false when it does not come or the connection is closed. */
bool viv_node_client_wait(struct viv_node_client *client, uint64_t limit_ms);
/* Sends and waits for the reply, which must be to this request. Returns its err. */
int32_t viv_node_client_call(struct viv_node_client *client, int32_t op, struct viv_bytes record);

int32_t viv_node_client_create(struct viv_node_client *client, const char *path, const char *data, int32_t flags);
int32_t viv_node_client_set(struct viv_node_client *client, const char *path, const char *data, int32_t version);
int32_t viv_node_client_delete(struct viv_node_client *client, const char *path, int32_t version);
/* exists, getData, getChildren, sync: a path, and a watch where there is one. */
int32_t viv_node_client_ask(struct viv_node_client *client, int32_t op, const char *path, bool watch);
/* The data of the last getData reply. */
bool viv_node_client_data_is(const struct viv_node_client *client, const char *text);
int32_t viv_node_client_close_session(struct viv_node_client *client);
bool viv_node_client_events_are(const struct viv_node_client *client, const char *text);

/* Request records, for those who send without waiting; borrowed until the next call. */
struct viv_bytes viv_node_client_create_record(struct viv_node_client *client, const char *path, const char *data,
                                               int32_t flags);
struct viv_bytes viv_node_client_set_record(struct viv_node_client *client, const char *path, const char *data,
                                            int32_t version);
struct viv_bytes viv_node_client_path_record(struct viv_node_client *client, const char *path, bool watch);

#endif /* VIV_TESTS_SUPPORT_NODE_CLIENT_H */
