#include "server/four_letter.h"

#include <string.h>

#include "base/assert.h"
#include "server/config.h"

static const struct {
    char name[5];
    size_t argument_bytes;
    bool needs_serving, by_default;
} words[VIV_FOUR_LETTER_NONE] = {
#define VIV_FOUR_LETTER(word, argument_bytes, needs_serving, by_default)                                               \
    {#word, argument_bytes, needs_serving, by_default},
#include "server/four_letter.def"
#undef VIV_FOUR_LETTER
};

enum viv_four_letter viv_four_letter_find(const uint8_t *four_bytes)
{
    for (size_t i = 0; i < VIV_FOUR_LETTER_NONE; i++) {
        if (memcmp(words[i].name, four_bytes, 4) == 0) {
            return (enum viv_four_letter)i;
        }
    }
    return VIV_FOUR_LETTER_NONE;
}

uint32_t viv_four_letter_bit(enum viv_four_letter word)
{
    VIV_ASSERT(word < VIV_FOUR_LETTER_NONE);
    return UINT32_C(1) << word;
}

uint32_t viv_four_letter_default(void)
{
    uint32_t bits = 0;
    for (size_t i = 0; i < VIV_FOUR_LETTER_NONE; i++) {
        bits |= words[i].by_default ? viv_four_letter_bit((enum viv_four_letter)i) : 0;
    }
    return bits;
}

const char *viv_four_letter_name(enum viv_four_letter word)
{
    VIV_ASSERT(word < VIV_FOUR_LETTER_NONE);
    return words[word].name;
}

/* srvr is always allowed, as in ZooKeeper: scripts that wait for a server use it. */
bool viv_four_letter_is_allowed(const struct viv_config *config, enum viv_four_letter word)
{
    return word == VIV_FOUR_LETTER_srvr || (config->four_letter_words & viv_four_letter_bit(word)) != 0;
}

size_t viv_four_letter_argument_bytes(const struct viv_config *config, enum viv_four_letter word)
{
    bool is_asked = word != VIV_FOUR_LETTER_NONE && viv_four_letter_is_allowed(config, word);
    return is_asked ? words[word].argument_bytes : 0;
}

bool viv_four_letter_needs_serving(enum viv_four_letter word)
{
    VIV_ASSERT(word < VIV_FOUR_LETTER_NONE);
    return words[word].needs_serving;
}
