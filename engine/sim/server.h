#ifndef VIV_SIM_SERVER_H
#define VIV_SIM_SERVER_H

#include "node/node.h"
#include "sim/disk.h"
#include "sim/library.h"
#include "sim/plan.h"
#include "store/log_store.h"
#include "store/state_store.h"

/* A machine with one server's process on it: the same viv_node as in production in a loop of turns, with the same rules
 * for its disk's threads (server/log_thread, server/background), over its own clock and disk. Does not know what is
 * right. */

enum { VIV_SIM_RESTART_MS = 300 }; /* after a process ended itself */

struct viv_sim_world;
struct viv_sim_connection;

/* Local time = base + (world - base) * rate / 1024. */
struct viv_sim_clock {
    int64_t world_ns, local_ns;
    int64_t rate; /* 0: it stands still */
    int64_t wall_ahead_ns;
};

/* An event that waits for the loop, with what it borrows. */
struct viv_sim_input {
    struct viv_event event;
    struct viv_buffer bytes;
    struct viv_entry *entries;
};

/* Work for the log thread or the background thread: what the node asked for, or what threads do by themselves. */
enum viv_sim_chore {
    VIV_SIM_CHORE_ACTION,
    VIV_SIM_CHORE_WATCH,  /* looks at the room that is left */
    VIV_SIM_CHORE_SETTLE, /* writes the identifiers that wait */
    VIV_SIM_CHORE_SCRUB,  /* looks at some of the log */
};

struct viv_sim_task {
    struct viv_action action; /* its rows are owned */
    enum viv_sim_chore chore;
    struct viv_entry *copied; /* for a control */
};

struct viv_sim_tasks {
    struct viv_sim_task *items;
    size_t first, count, capacity;
};

struct viv_sim_storage {
    struct viv_sim_disk *disk;
    struct viv_sim_library *library; /* owned; NULL: the image is on the disk too */
    struct viv_log *log;
    struct viv_state *state;
    struct viv_sim_tasks log_tasks, background_tasks;
    struct viv_sim_input *answers; /* of the task in hand, given out when it is done */
    size_t answer_count, answer_capacity;
    bool is_busy, in_checkpoint, is_low, wants_room, is_unsettled;
    bool scrubs_image;   /* the next time, else the log */
    bool is_dying;       /* a call failed: the process ends when the task does */
    bool waits_for_room; /* the log's first task is tried again later */
    unsigned full;       /* bits: no room now, no room ahead */
    uint64_t checkpoint_ticket, used_bytes, naps;
    int64_t watched_ns, asked_ns, scrubbed_ns;
    struct viv_scrub scrub;
    uint64_t fault_told_zxid; /* the newest told of in this round */
    struct viv_rng rng;
};

struct viv_sim_server {
    bool has_power;
    struct viv_node *node; /* NULL: the process is down */
    uint64_t life;         /* grows with every start and end */
    bool is_listening, is_paused, has_turn, has_tick, is_ready /* recovered; the loop runs */;
    bool stays_down;
    int64_t busy_until_ns;
    unsigned slowness;
    struct viv_sim_input *inputs;
    size_t input_first, input_count, input_capacity;
    struct viv_actions actions;
    struct viv_sim_clock clock;
    struct viv_sim_storage storage;
    uint64_t epoch_led;
    struct viv_rng rng;
    uint64_t highest_vote; /* for a break */
};

void viv_sim_server_init(struct viv_sim_world *world, size_t server);
void viv_sim_server_fini(struct viv_sim_world *world, size_t server);

/* The process begins after the delay, and recovers from its disk. */
void viv_sim_server_start(struct viv_sim_world *world, size_t server, int64_t delay_ns);
void viv_sim_server_begin(struct viv_sim_world *world, size_t server);
/* The process is gone; the page cache stays, or the power went too. */
void viv_sim_server_stop(struct viv_sim_world *world, size_t server, bool lost_power);
void viv_sim_server_power(struct viv_sim_world *world, size_t server); /* it is back; nothing runs yet */
void viv_sim_server_wipe(struct viv_sim_world *world, size_t server);
void viv_sim_server_pause(struct viv_sim_world *world, size_t server, bool is_paused);
bool viv_sim_server_listens(const struct viv_sim_world *world, size_t server, bool for_clients);

/* Entries with their bodies in one block. */
struct viv_entry *viv_sim_copy_entries(const struct viv_entry *entries, size_t count);
/* Copies the bytes, and the entries. */
void viv_sim_server_input(struct viv_sim_world *world, size_t server, const struct viv_event *event,
                          struct viv_bytes bytes);
void viv_sim_server_take_frames(struct viv_sim_world *world, struct viv_sim_connection *connection);
void viv_sim_server_turn(struct viv_sim_world *world, size_t server);
void viv_sim_server_tick(struct viv_sim_world *world, size_t server);

int64_t viv_sim_server_local_ns(const struct viv_sim_world *world, size_t server);
void viv_sim_server_set_rate(struct viv_sim_world *world, size_t server, int64_t rate);
size_t viv_sim_leader(const struct viv_sim_world *world); /* SIZE_MAX: none serves as leader */
bool viv_sim_serves(const struct viv_sim_world *world, size_t server);

/* storage.c */
void viv_sim_storage_init(struct viv_sim_world *world, size_t server);
void viv_sim_storage_fini(struct viv_sim_world *world, size_t server);
viv_status viv_sim_storage_open(struct viv_sim_world *world, size_t server) VIV_MUST_USE; /* opens and recovers */
void viv_sim_storage_close(struct viv_sim_world *world, size_t server);
void viv_sim_storage_take(struct viv_sim_world *world, size_t server, struct viv_action *action);
void viv_sim_storage_run(struct viv_sim_world *world, size_t server); /* begins the next task, if none is in hand */
void viv_sim_storage_done(struct viv_sim_world *world, size_t server);
void viv_sim_storage_room(struct viv_sim_world *world, size_t server);
void viv_sim_storage_tick(struct viv_sim_world *world, size_t server);
void viv_sim_storage_answer(struct viv_sim_storage *storage, const struct viv_event *event);
/* What a library has done takes that much of the disk's time. */
void viv_sim_storage_pay(struct viv_sim_storage *storage, unsigned writes, unsigned syncs);
/* storage_task.c: the first of the log's tasks (with its neighbours), of the background's. */
void viv_sim_task_log(struct viv_sim_world *world, size_t server);
void viv_sim_task_background(struct viv_sim_world *world, size_t server);

#endif /* VIV_SIM_SERVER_H */
