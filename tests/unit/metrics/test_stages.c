#include <string.h>

#include "metrics/stages.h"
#include "tests/support/viv_test.h"

#define SECOND UINT64_C(1000000000)

struct wanted {
    const char *op, *stage;
    enum viv_stage_view view;
    struct viv_stage_sample found;
    bool is_found;
};

static void look(void *ctx, const struct viv_stage_sample *sample)
{
    struct wanted *wanted = ctx;
    if (sample->view == wanted->view && strcmp(sample->op, wanted->op) == 0 &&
        strcmp(sample->stage, wanted->stage) == 0) {
        wanted->found = *sample;
        wanted->is_found = true;
    }
}

static struct wanted find(const struct viv_stages *stages, enum viv_stage_view view, const char *op, const char *stage)
{
    struct wanted wanted = {.op = op, .stage = stage, .view = view};
    viv_stages_visit(stages, look, &wanted);
    return wanted;
}

static const struct viv_stage_times set_data = {{1000, 1000, 1000, 1000, 1400, 2000, 2000, 2100}};

VIV_TEST(metrics_stages, each_stage_counts_the_time_since_the_one_before_it)
{
    struct viv_stages *stages = viv_stages_new();
    viv_stages_tick(stages, SECOND);
    viv_stages_record(stages, VIV_STAGE_VIEW_CLIENT, 5, &set_data, 2);
    static const struct {
        const char *stage;
        uint64_t took_ns;
    } expected[] = {{"received", 0},    {"routed", 0},  {"prepared", 0},  {"proposed", 0}, {"stored", 400},
                    {"committed", 600}, {"applied", 0}, {"replied", 100}, {"whole", 1100}};
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        struct wanted wanted = find(stages, VIV_STAGE_VIEW_CLIENT, "setData", expected[i].stage);
        cr_assert(wanted.is_found, "%s", expected[i].stage);
        cr_expect_eq(wanted.found.tally->count, 2);
        cr_expect_eq(wanted.found.tally->max, expected[i].took_ns, "%s", expected[i].stage);
        cr_expect_eq(wanted.found.sum_all_ns, 2 * expected[i].took_ns);
    }
    cr_expect_not(find(stages, VIV_STAGE_VIEW_LEADER, "setData", "whole").is_found);
    cr_expect_not(find(stages, VIV_STAGE_VIEW_CLIENT, "getData", "whole").is_found);
    viv_stages_free(stages);
}

VIV_TEST(metrics_stages, a_stage_that_is_not_on_the_way_counts_nothing)
{
    struct viv_stages *stages = viv_stages_new();
    struct viv_stage_times read = {
        .at_ns = {[VIV_STAGE_RECEIVED] = 10, [VIV_STAGE_ROUTED] = 20, [VIV_STAGE_REPLIED] = 50}};
    viv_stages_record(stages, VIV_STAGE_VIEW_CLIENT, 4, &read, 1);
    cr_expect_not(find(stages, VIV_STAGE_VIEW_CLIENT, "getData", "stored").is_found);
    cr_expect_eq(find(stages, VIV_STAGE_VIEW_CLIENT, "getData", "replied").found.tally->max, 30);
    cr_expect_eq(find(stages, VIV_STAGE_VIEW_CLIENT, "getData", "whole").found.tally->max, 40);
    viv_stages_free(stages);
}

VIV_TEST(metrics_stages, a_commit_that_came_before_the_own_disk_takes_no_time_of_its_own)
{
    struct viv_stages *stages = viv_stages_new();
    struct viv_stage_times times = {{100, 100, 100, 100, 900, 500, 950, 950}};
    viv_stages_record(stages, VIV_STAGE_VIEW_LEADER, 1, &times, 1);
    cr_expect_eq(find(stages, VIV_STAGE_VIEW_LEADER, "create", "committed").found.tally->max, 0);
    cr_expect_eq(find(stages, VIV_STAGE_VIEW_LEADER, "create", "applied").found.tally->max, 50);
    viv_stages_free(stages);
}

VIV_TEST(metrics_stages, the_last_whole_window_is_shown_and_totals_go_on)
{
    struct viv_stages *stages = viv_stages_new();
    viv_stages_tick(stages, SECOND);
    viv_stages_record(stages, VIV_STAGE_VIEW_CLIENT, 5, &set_data, 1);
    viv_stages_tick(stages, 11 * SECOND);
    for (int i = 0; i < 5; i++) {
        viv_stages_record(stages, VIV_STAGE_VIEW_CLIENT, 5, &set_data, 1);
    }
    struct wanted wanted = find(stages, VIV_STAGE_VIEW_CLIENT, "setData", "whole");
    cr_expect_eq(wanted.found.tally->count, 1);
    cr_expect_eq(wanted.found.count_all, 6);
    viv_stages_tick(stages, 21 * SECOND);
    cr_expect_eq(find(stages, VIV_STAGE_VIEW_CLIENT, "setData", "whole").found.tally->count, 5);
    viv_stages_tick(stages, 45 * SECOND);
    wanted = find(stages, VIV_STAGE_VIEW_CLIENT, "setData", "whole");
    cr_expect_eq(wanted.found.tally->count, 0);
    cr_expect_eq(wanted.found.count_all, 6);
    viv_stages_free(stages);
}

VIV_TEST(metrics_stages, every_opcode_has_a_name_and_unknown_ones_share_one)
{
    cr_expect_str_eq(viv_metrics_op_name(viv_metrics_op_index(1)), "create");
    cr_expect_str_eq(viv_metrics_op_name(viv_metrics_op_index(107)), "whoAmI");
    cr_expect_str_eq(viv_metrics_op_name(viv_metrics_op_index(-11)), "closeSession");
    cr_expect_str_eq(viv_metrics_op_name(viv_metrics_op_index(0x56495601)), "getChildrenPage");
    cr_expect_str_eq(viv_metrics_op_name(viv_metrics_op_index(10)), "other");
    cr_expect_str_eq(viv_metrics_op_name(viv_metrics_op_index(INT32_MAX)), "other");
    cr_expect_str_eq(viv_metrics_op_name(viv_metrics_op_index(INT32_MIN)), "other");
    for (unsigned i = 0; i < VIV_METRICS_OP_COUNT; i++) {
        cr_expect_not_null(viv_metrics_op_name(i));
    }
}
