#ifndef VIV_SERVER_FOUR_LETTER_H
#define VIV_SERVER_FOUR_LETTER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

/* ZooKeeper's four-letter words: which there are (four_letter.def), who may ask, and the text of each answer.
 * Knows nothing of sockets: the client port recognises a word, this module writes the reply. */

enum viv_four_letter {
#define VIV_FOUR_LETTER(word, argument_bytes, needs_serving, by_default) VIV_FOUR_LETTER_##word,
#include "server/four_letter.def"
#undef VIV_FOUR_LETTER
    VIV_FOUR_LETTER_NONE,
};

/* The word spelt by four bytes, or NONE. */
enum viv_four_letter viv_four_letter_find(const uint8_t *four_bytes);
uint32_t viv_four_letter_bit(enum viv_four_letter word);
/* What is allowed when the configuration does not say: design decision 14. */
uint32_t viv_four_letter_default(void);
const char *viv_four_letter_name(enum viv_four_letter word);
/* Answered with "not currently serving requests" while this server does not. */
bool viv_four_letter_needs_serving(enum viv_four_letter word);

struct viv_server;
struct viv_config;
struct viv_report;
bool viv_four_letter_is_allowed(const struct viv_config *config, enum viv_four_letter word);
/* Bytes that belong to the word and must have come before it is answered; 0 also for NONE and for a word that is not
 * allowed. */
size_t viv_four_letter_argument_bytes(const struct viv_config *config, enum viv_four_letter word);
/* The whole text of mntr. */
void viv_four_letter_put_mntr(struct viv_server *server, struct viv_buffer *out);
/* The answer, to be taken in pieces; the caller frees it. `asking` is the connection that asked, shown without interest
 * in `stat`. */
struct viv_report *viv_four_letter_answer(struct viv_server *server, enum viv_four_letter word, uint64_t asking,
                                          struct viv_bytes argument);

#endif /* VIV_SERVER_FOUR_LETTER_H */
