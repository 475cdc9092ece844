#ifndef VIV_TESTS_SUPPORT_TRANSCRIPT_H
#define VIV_TESTS_SUPPORT_TRANSCRIPT_H

#include <stdio.h>

#include "wire/records.h"

/* Reads what tests/unit/prepare/record_requests.py recorded from a real server, line by line. */

struct viv_transcript {
    FILE *file;
    char line[32768];
    char who[32];
    int32_t op;
    struct viv_buffer record;   /* of the request */
    int32_t code;               /* reads.txt only */
    struct viv_buffer answer;   /* reads.txt: the reply record; requests.txt: the transaction */
    struct viv_buffer authinfo; /* the identities of `who` */
};

/* name: requests.txt or reads.txt. */
void viv_transcript_open(struct viv_transcript *transcript, const char *name);
void viv_transcript_close(struct viv_transcript *transcript);
/* False at the end. */
bool viv_transcript_next(struct viv_transcript *transcript);
/* The header of the transaction at hand. */
struct viv_txn_header viv_transcript_header(const struct viv_transcript *transcript);

#endif /* VIV_TESTS_SUPPORT_TRANSCRIPT_H */
