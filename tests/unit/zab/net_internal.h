#ifndef VIV_TESTS_UNIT_ZAB_NET_INTERNAL_H
#define VIV_TESTS_UNIT_ZAB_NET_INTERNAL_H

#include "tests/unit/zab/net.h"

/* What the parts of the small world share. */

enum { TICK_MS = 100, INIT_LIMIT = 10, SYNC_LIMIT = 5, TICK_EVERY_MS = 10 };

enum event_kind { EV_TICK, EV_MESSAGE, EV_VOTE, EV_DISK, EV_LIE, EV_DIAL, EV_STREAM };

struct net_event {
    uint64_t at_ms, sequence;
    enum event_kind kind;
    size_t server; /* whom it happens to */
    uint32_t life;
    size_t from;
    uint32_t link;
    uint64_t zxid;
    struct viv_vote vote;
    struct viv_buffer text; /* of the vote: its two configurations, one behind the other */
};

enum message_kind { MSG_UP, MSG_PACKET, MSG_SNAPSHOT, MSG_DOWN };

struct message {
    struct message *next;
    enum message_kind kind;
    uint64_t due_ms;
    bool enveloped;
    struct viv_packet packet;
    struct viv_buffer data;
    struct net_records snapshot;
    struct viv_buffer members; /* of the snapshot */
};

struct link_end {
    size_t server;
    uint32_t life;
    bool open, enveloped;
    struct message *in, **in_end;
    uint64_t due_ms; /* of the last message */
};

struct net_link {
    struct net_link *next;
    uint32_t id;
    bool half_open;
    struct link_end ends[2]; /* 0 dialled, 1 listened */
};

enum write_kind { W_APPEND, W_EPOCHS, W_TRUNCATE, W_INSTALL };

struct net_write {
    struct net_write *next;
    enum write_kind kind;
    uint64_t zxid;      /* APPEND: the commit hint */
    uint64_t zxid_last; /* APPEND: of the last entry */
    struct net_entry *entries;
    size_t count;
    uint32_t accepted, current;
    struct net_records image;
    struct viv_buffer members; /* of the image */
    bool is_answered;          /* by a disk that lies */
};

void net_fail(struct net *net, const char *format, ...) __attribute__((format(printf, 2, 3)));
void net_note(struct net *net, uint64_t what);
void net_records_add(struct net_records *records, struct net_record record);
void net_records_copy(struct net_records *to, const struct net_records *from, uint64_t upto);
uint64_t net_records_last(const struct net_records *records);
uint64_t net_disk_last(const struct net_disk *disk);
void net_disk_truncate(struct net_disk *disk, uint64_t zxid);
void net_disk_add(struct net_disk *disk, struct net_entry *takes);
void net_push(struct net *net, struct net_event event);
struct net_event net_pop(struct net *net);
uint64_t net_packet_delay(struct net *net);
struct net_link *net_link_find(struct net *net, uint32_t id);
struct link_end *net_end_of(struct net_link *link, size_t server);
struct link_end *net_other_end(struct net_link *link, size_t server);
void net_message_free(struct message *message);
void net_end_clear(struct link_end *end);
void net_message_put(struct net *net, struct net_link *link, struct link_end *to, struct message *message);
void net_end_break(struct net *net, struct net_link *link, struct link_end *end);
void net_link_send(struct net *net, size_t server, uint32_t id, struct message *message);
void net_link_close(struct net *net, size_t server, struct net_link *link);
void net_step(struct net *net, size_t index, struct viv_zab_input *input);
void net_write_put(struct net *net, size_t index, struct net_write *write);
void net_write_free(struct net_write *write);
void net_write_make_durable(struct net *net, struct net_server *server, struct net_write *write);
void net_copy_text(struct viv_buffer *to, const struct viv_buffer *from);
/* The entry may be a reconfiguration: then it is what the tree shows. */
void net_show_members(struct net_server *server, struct viv_bytes body);
void net_show(struct net *net, struct net_server *server, struct net_record record);
void net_abort_snapshot(struct net *net, size_t index, uint32_t link);
void net_perform(struct net *net, size_t index);
void net_happen(struct net *net, const struct net_event *event);

#endif /* VIV_TESTS_UNIT_ZAB_NET_INTERNAL_H */
