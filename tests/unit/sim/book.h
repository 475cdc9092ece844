#ifndef VIV_TESTS_UNIT_SIM_BOOK_H
#define VIV_TESTS_UNIT_SIM_BOOK_H

#include "sim/check/check.h"

/* A recorded history that can be falsified: records are taken out, moved, doubled, changed. Times follow the order. */

struct viv_book {
    struct viv_sim_history history; /* owns the bytes */
    struct viv_sim_record *records;
    size_t count, capacity;
    uint8_t *changed[64]; /* bytes of our own */
    size_t changed_count;
};

/* name: of a file beside this one. Fails the test when it cannot be read. */
void viv_book_open(struct viv_book *book, const char *name);
void viv_book_close(struct viv_book *book);

void viv_book_remove(struct viv_book *book, size_t at);
void viv_book_insert(struct viv_book *book, size_t at, struct viv_sim_record record);
void viv_book_append(struct viv_book *book, struct viv_sim_record record);
/* It stands behind what was at `to`, which comes later. */
void viv_book_move(struct viv_book *book, size_t from, size_t to);
/* The record's bytes, to be changed. */
uint8_t *viv_book_bytes(struct viv_book *book, size_t at);

/* The next record of a kind from `from` on; fails the test when there is none. */
size_t viv_book_find(const struct viv_book *book, enum viv_sim_record_kind kind, size_t from);
/* The next reply to this operation with this error, and at least so many bytes behind its header. */
size_t viv_book_reply(const struct viv_book *book, int32_t op, int32_t code, size_t bytes_min, size_t from);
size_t viv_book_request_of(const struct viv_book *book, size_t reply);

void viv_book_check(const struct viv_book *book, struct viv_check_report *report);
/* Fails the test unless nothing is found, and each checker looked at so much. */
void viv_book_expect_accepted(const struct viv_book *book, size_t checked_min);

/* A falsification of three_servers.jsonl. */
struct viv_lie {
    const char *name, *says; /* what the failure must speak of */
    enum viv_checker checker;
    void (*tell)(struct viv_book *book);
};
/* Fails the test unless that checker finds each of them, and says so. */
void viv_lies_expect_found(const struct viv_lie *lies, size_t count);

#endif /* VIV_TESTS_UNIT_SIM_BOOK_H */
