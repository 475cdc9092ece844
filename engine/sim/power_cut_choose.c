#include "sim/power_cut_internal.h"

#include "base/assert.h"

/* ---- states ---- */

/* Which of the changes are in question, and of which kind. */
struct question {
    size_t data_count, name_count;
    size_t last_data; /* index of the newest one in question */
    size_t torn_count;
};

static struct question ask(const struct viv_sim_power_cut *cut)
{
    struct question question = {0};
    for (size_t i = 0; i < cut->change_count; i++) {
        const struct change *change = &cut->changes[i];
        if (change->is_name) {
            question.name_count++;
        } else if (!change->is_durable) {
            question.data_count++;
            question.last_data = i;
        }
    }
    if (question.data_count > 0) {
        size_t sectors = (cut->changes[question.last_data].size + SECTOR_BYTES - 1) / SECTOR_BYTES;
        question.torn_count = sectors > TORN_PLACES_MAX ? TORN_PLACES_MAX : sectors > 0 ? sectors - 1 : 0;
    }
    return question;
}

/* The states of a moment, by what is chosen. In this order they are numbered. */
struct states {
    size_t corners, data_first, torn, data_dropped, names_first, names_dropped, by_lot;
};

static struct states count_states(const struct question *question, unsigned subsets)
{
    size_t data = question->data_count, names = question->name_count;
    return (struct states){
        .corners = 4,
        .data_first = data > 1 ? data - 1 : 0,
        .torn = question->torn_count,
        .data_dropped = data > 1 ? data : 0,
        .names_first = names > 1 ? names - 1 : 0,
        .names_dropped = names > 1 ? names : 0,
        .by_lot = data + names > 0 ? 3 * (size_t)subsets : 0,
    };
}

size_t viv_sim_power_cut_count(struct viv_sim_power_cut *cut, unsigned subsets)
{
    struct question question = ask(cut);
    struct states states = count_states(&question, subsets);
    return states.corners + states.data_first + states.torn + states.data_dropped + states.names_first +
           states.names_dropped + states.by_lot;
}

/* Of the data, or of the names: the first `first` are there, but not number `dropped`. */
static void choose_first(struct viv_sim_power_cut *cut, bool names, size_t first, size_t dropped)
{
    size_t number = 0;
    for (size_t i = 0; i < cut->change_count; i++) {
        const struct change *change = &cut->changes[i];
        if (change->is_name != names) {
            continue;
        }
        if (!change->is_durable) {
            bool is_there = number < first && number != dropped;
            cut->choices[i].manner = is_there ? ALL : NOTHING;
            number++;
        }
    }
}

/* manner 0: whole writes; 1: sectors, too; 2: names only. Names: half the time a first part of them. */
static void choose_by_lot(struct viv_sim_power_cut *cut, const struct question *question, unsigned manner,
                          uint64_t seed)
{
    struct viv_rng rng;
    viv_rng_init(&rng, seed);
    choose_first(cut, true, (size_t)viv_rng_below(&rng, question->name_count + 1), SIZE_MAX);
    bool is_strict = manner == 2 || viv_rng_below(&rng, 2) == 0;
    for (size_t i = 0; i < cut->change_count; i++) {
        struct choice *choice = &cut->choices[i];
        const struct change *change = &cut->changes[i];
        uint64_t lot = viv_rng_next(&rng);
        if (change->is_name && is_strict) {
            choice->manner = lot % 2 == 0 ? ALL : NOTHING;
        } else if (!change->is_name && !change->is_durable && manner < 2) {
            choice->manner = manner == 1 && lot % 3 == 0 ? SECTORS_BY_LOT : lot % 2 == 0 ? ALL : NOTHING;
            choice->seed = lot;
        }
    }
}

static void choose_corner(struct viv_sim_power_cut *cut, size_t number)
{
    choose_first(cut, false, number % 2 == 0 ? 0 : SIZE_MAX, SIZE_MAX);
    choose_first(cut, true, number / 2 == 0 ? 0 : SIZE_MAX, SIZE_MAX);
}

static void choose_torn(struct viv_sim_power_cut *cut, const struct question *question, size_t number)
{
    const struct change *change = &cut->changes[question->last_data];
    size_t sectors = (change->size + SECTOR_BYTES - 1) / SECTOR_BYTES;
    size_t places = question->torn_count + 1 < sectors ? question->torn_count + 1 : sectors;
    size_t sector = 1 + number * (sectors - 1) / places;
    size_t bytes = sector * SECTOR_BYTES - (size_t)(change->offset % SECTOR_BYTES);
    bytes = bytes < change->size ? bytes : change->size;
    cut->choices[question->last_data] = (struct choice){.manner = FIRST_BYTES, .bytes = bytes};
}

static void choose(struct viv_sim_power_cut *cut, unsigned subsets, uint64_t seed, size_t number)
{
    struct question question = ask(cut);
    struct states states = count_states(&question, subsets);
    choose_first(cut, false, SIZE_MAX, SIZE_MAX);
    choose_first(cut, true, SIZE_MAX, SIZE_MAX);
    if (number < states.corners) {
        choose_corner(cut, number);
    } else if ((number -= states.corners) < states.data_first) {
        choose_first(cut, false, number + 1, SIZE_MAX);
    } else if ((number -= states.data_first) < states.torn) {
        choose_torn(cut, &question, number);
    } else if ((number -= states.torn) < states.data_dropped) {
        choose_first(cut, false, SIZE_MAX, number);
    } else if ((number -= states.data_dropped) < states.names_first) {
        choose_first(cut, true, number + 1, SIZE_MAX);
    } else if ((number -= states.names_first) < states.names_dropped) {
        choose_first(cut, true, SIZE_MAX, number);
    } else {
        number -= states.names_dropped;
        choose_by_lot(cut, &question, (unsigned)(number % 3), seed * 1000003 + number);
    }
}

uint64_t viv_sim_power_cut_choose(struct viv_sim_power_cut *cut, unsigned subsets, uint64_t seed, size_t number)
{
    if (cut->choice_capacity < cut->change_count) {
        cut->choice_capacity = cut->change_capacity;
        cut->choices = viv_realloc(cut->choices, cut->choice_capacity * sizeof *cut->choices);
    }
    for (size_t i = 0; i < cut->change_count; i++) {
        cut->choices[i] = (struct choice){.manner = ALL};
    }
    choose(cut, subsets, seed, number);
    return viv_sim_power_cut_list(cut);
}
