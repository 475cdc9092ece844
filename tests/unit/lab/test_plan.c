#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "experiments/lab/files.h"
#include "experiments/lab/plan.h"
#include "tests/support/viv_test.h"

/* A plan in a file of its own, and what became of it. */
struct attempt {
    struct viv_plan plan;
    struct viv_buffer errors;
    bool ok;
};

#define HEAD  "schema: vivarium-plan/1\nquestion: q\n"
#define STEPS "steps:\n  - {do: load}\n"

static struct attempt attempt(const char *text)
{
    struct attempt result = {0};
    char path[] = "/tmp/viv-plan-XXXXXX";
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    result.ok = viv_plan_load(path, &result.plan, &result.errors) == VIV_OK;
    viv_buffer_append(&result.errors, "", 1);
    unlink(path);
    return result;
}

static void finish(struct attempt *result)
{
    if (result->ok) {
        viv_plan_fini(&result->plan);
    }
    viv_buffer_fini(&result->errors);
}

/* The plan is refused with a message that names the line and holds the words. */
static void refused(const char *text, int line, const char *words)
{
    struct attempt result = attempt(text);
    char wanted[16];
    snprintf(wanted, sizeof wanted, ":%d: ", line);
    const char *errors = (const char *)result.errors.data;
    cr_assert_not(result.ok, "accepted: %s", text);
    cr_assert_not_null(strstr(errors, wanted), "no '%s' in: %s", wanted, errors);
    cr_assert_not_null(strstr(errors, words), "no '%s' in: %s", words, errors);
    finish(&result);
}

VIV_TEST(lab_plan, an_unknown_key_is_an_error_with_its_line)
{
    refused(HEAD "cells:\n  - {system: zookeeper, bakend: flat}\n" STEPS, 4, "bakend");
    refused(HEAD "colour: blue\ncells:\n  - {system: zookeeper}\n" STEPS, 3, "colour");
}

VIV_TEST(lab_plan, a_wrong_type_is_an_error_with_its_line)
{
    refused(HEAD "cells:\n  - {system: [zookeeper]}\n" STEPS, 4, "");
    refused(HEAD "cells: 12\n" STEPS, 3, "");
    refused(HEAD "cells:\n  - system: zookeeper\n    servers: three\n" STEPS, 5, "three");
}

VIV_TEST(lab_plan, durations_and_sizes_without_units_are_errors_with_their_lines)
{
    refused(HEAD "cells:\n  - system: zookeeper\n    tick: 500\n" STEPS, 5, "500ms");
    refused(HEAD "cells:\n  - system: zookeeper\n    value: 100\n" STEPS, 5, "100B");
    refused(HEAD "cells:\n  - {system: zookeeper}\nsteps:\n  - do: load\n    measure: 5\n", 7, "unit");
}

VIV_TEST(lab_plan, a_missing_key_and_no_yaml_at_all_are_errors)
{
    refused("question: q\ncells:\n  - {system: zookeeper}\n" STEPS, 5, "schema"); /* known at the end only */
    refused(HEAD "cells:\n  - {system: zookeeper\n" STEPS, 5, "");
    refused(HEAD "cells:\n  - {system: zookeeper}\nsteps:\n  - {op: set}\n", 6, "do");
}

VIV_TEST(lab_plan, anchors_tags_and_duplicates_are_refused)
{
    refused(HEAD "cells:\n  - &a {system: zookeeper}\n" STEPS, 4, "anchors");
    refused(HEAD "cells:\n  - {system: !!str zookeeper}\n" STEPS, 4, "tags");
    refused(HEAD "cells:\n  - {system: zookeeper}\n" STEPS "question: twice\n", 7, "given twice");
}

VIV_TEST(lab_plan, what_cannot_be_run_is_refused_before_anything_starts)
{
    refused(HEAD "cells:\n  - {system: zookeeper, backend: flat}\n" STEPS, 4, "no backends");
    refused(HEAD "cells:\n  - {system: consul}\n" STEPS, 4, "consul");
    refused(HEAD "cells:\n  - {system: etcd, backend: flat}\n" STEPS, 4, "no backends");
    refused(HEAD "cells:\n  - {system: etcd, durability: none}\n" STEPS, 4, "always syncs");
    refused(HEAD "cells:\n  - {system: etcd, tick: 10s, sync_limit: 6}\n" STEPS, 4, "50 s");
    refused(HEAD "cells:\n  - {system: zookeeper, servers: 1}\nsteps:\n  - {do: kill}\n", 6, "too few servers");
    refused(HEAD "cells:\n  - {system: zookeeper, servers: 2}\nsteps:\n  - {do: freeze-sync}\n", 6, "too few servers");
    refused(HEAD "cells:\n  - {backend: memory, durability: none}\nsteps:\n  - {do: cold-start}\n", 6, "keeps nothing");
    refused(HEAD "cells:\n  - {system: zookeeper}\nsteps:\n  - {do: cold-start, rate: 10/s}\n", 6, "no meaning");
    refused(HEAD "cells:\n  - {system: zookeeper, keys: 3}\n" STEPS, 6, "keys");
    refused(HEAD "cells:\n  - {system: zookeeper}\nsteps:\n  - {do: load}\n  - {do: load}\n", 7, "give one a name");
    refused(HEAD "cells:\n  - dataset: {snapshot: none.gz}\n" STEPS, 4, "no file");
    refused(HEAD "cells:\n  - dataset: {shape: cube, znodes: 10}\n" STEPS, 4, "cube");
    refused(HEAD "cells:\n  - {system: zookeeper}\nexclude:\n  - {backend: flat}\n" STEPS, 6, "no cell is like this");
    refused(HEAD "cells:\n  - {system: zookeeper}\ncontrol: {backend: flat}\n" STEPS, 5, "no cell is like this");
}

VIV_TEST(lab_plan, schemes_take_place_steps_and_servers_the_others)
{
    refused(HEAD "cells:\n  - {system: partition, scheme: ring}\n" STEPS, 6, "place steps");
    refused(HEAD "cells:\n  - {backend: flat}\nsteps:\n  - {do: place}\n", 6, "place steps");
    refused(HEAD "cells:\n  - {system: partition, scheme: circle}\nsteps:\n  - {do: place}\n", 4, "circle");
    refused(HEAD "cells:\n  - {backend: flat, bins: 3}\n" STEPS, 4, "partition only");
}

VIV_TEST(lab_plan, the_grid_is_the_product_of_its_axes_without_the_exclusions)
{
    struct attempt result = attempt(HEAD "cells:\n  - {backend: flat}\n  - {system: zookeeper, servers: 3}\n"
                                         "grid:\n  value: [100B, 1KiB]\n  servers: [3, 5]\n"
                                         "exclude:\n  - {backend: flat, servers: 5, value: 1KiB}\n" STEPS);
    cr_assert(result.ok, "%s", (const char *)result.errors.data);
    static const char *const names[] = {"flat.servers-3.value-100b", "flat.servers-3.value-1kib",
                                        "flat.servers-5.value-100b", "zookeeper.servers-3.value-100b",
                                        "zookeeper.servers-3.value-1kib"};
    cr_assert_eq(result.plan.cell_count, 5);
    for (size_t i = 0; i < 5; i++) {
        cr_assert_str_eq(result.plan.cells[i].name, names[i]);
    }
    cr_assert_eq(result.plan.cells[1].value_bytes, 1024);
    cr_assert_eq(result.plan.cells[2].servers, 5);
    finish(&result);
}

VIV_TEST(lab_plan, defaults_are_filled_in_and_the_control_is_the_same_cell_again)
{
    struct attempt result = attempt(HEAD "defaults: {tick: 200ms, keys: 2k}\n"
                                         "cells:\n  - {backend: flat}\n  - {backend: flat, keys: 1k, system: vivarium, "
                                         "durability: none}\ncontrol: {backend: flat, keys: 2k}\n" STEPS);
    cr_assert(result.ok, "%s", (const char *)result.errors.data);
    cr_assert_eq(result.plan.cell_count, 3);
    const struct viv_cell *first = &result.plan.cells[0];
    const struct viv_cell *control = &result.plan.cells[2];
    cr_assert_eq(first->tick_ms, 200);
    cr_assert_eq(first->keys, 2000);
    cr_assert_eq(first->servers, 3);
    cr_assert_eq(result.plan.cells[1].keys, 1000);
    cr_assert(control->control);
    cr_assert_str_eq(control->name, "flat.control");
    cr_assert_eq(control->keys, first->keys);
    cr_assert_eq(result.plan.trials, 3);
    cr_assert_eq(result.plan.steps[0].load.clients, 16);
    finish(&result);
}

VIV_TEST(lab_plan, every_round_runs_every_cell_once_and_begins_elsewhere)
{
    struct attempt result = attempt(HEAD "cells:\n  - {backend: a}\n  - {backend: b}\n  - {backend: c}\n" STEPS);
    struct viv_plan_slot slots[9];
    struct viv_plan_slot again[9];
    cr_assert(result.ok, "%s", (const char *)result.errors.data);
    viv_plan_order(&result.plan, slots);
    viv_plan_order(&result.plan, again);
    for (uint32_t round = 0; round < 3; round++) {
        unsigned seen = 0;
        for (uint32_t i = 0; i < 3; i++) {
            cr_assert_eq(slots[round * 3 + i].trial, round + 1);
            seen |= 1U << slots[round * 3 + i].cell;
        }
        cr_assert_eq(seen, 7);
    }
    cr_assert_neq(slots[0].cell, slots[3].cell);
    cr_assert_neq(slots[3].cell, slots[6].cell);
    for (size_t i = 0; i < 9; i++) {
        cr_assert_eq(slots[i].cell, again[i].cell, "the order is that of the seed");
    }
    cr_assert_neq(viv_plan_seed(&result.plan, &slots[0]), viv_plan_seed(&result.plan, &slots[1]));
    finish(&result);
}
