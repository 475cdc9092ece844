#include <inttypes.h>
#include <string.h>

#include "base/log.h"
#include "sim/plan.h"

/* Lines: "seed N", "set NAME VALUE", "fault KIND AT_US a b DURATION_US AMOUNT", "op CLIENT KIND AFTER_US SALT PATH",
 * and remarks behind "#". */

enum { LINE_BYTES_MAX = 256, WORD_BYTES_MAX = 48 };

void viv_sim_plan_write(const struct viv_sim_plan *plan, FILE *file)
{
    fprintf(file, "seed %" PRIu64 "\n", plan->seed);
    for (unsigned i = 0; i < VIV_SIM_SETTINGS; i++) {
        fprintf(file, "set %s %" PRId64 "\n", viv_sim_setting_text(i), plan->settings[i]);
    }
    for (size_t i = 0; i < plan->fault_count; i++) {
        const struct viv_sim_fault *fault = &plan->faults[i];
        fprintf(file, "fault %s %" PRId64 " %" PRId32 " %" PRId32 " %" PRId64 " %" PRId64 "\n",
                viv_sim_fault_text(fault->kind), fault->at_us, fault->a, fault->b, fault->duration_us, fault->amount);
    }
    for (size_t i = 0; i < plan->op_count; i++) {
        const struct viv_sim_op *op = &plan->ops[i];
        fprintf(file, "op %" PRId32 " %s %" PRId64 " %" PRIu32 " %s\n", op->client, viv_sim_op_text(op->kind),
                op->after_us, op->salt, op->path);
    }
}

typedef const char *text_fn(unsigned index);

static const char *setting_text(unsigned index)
{
    return viv_sim_setting_text((enum viv_sim_setting)index);
}

static const char *fault_text(unsigned index)
{
    return viv_sim_fault_text((enum viv_sim_fault_kind)index);
}

static const char *op_text(unsigned index)
{
    return viv_sim_op_text((enum viv_sim_op_kind)index);
}

/* Which of `count` names; `count` when it is none of them. */
static unsigned lookup(text_fn *text, unsigned count, const char *word)
{
    unsigned index = 0;
    while (index < count && strcmp(text(index), word) != 0) {
        index++;
    }
    return index;
}

static bool read_setting(struct viv_sim_plan *plan, const char *line)
{
    char word[WORD_BYTES_MAX];
    int64_t value;
    if (sscanf(line, "set %47s %" SCNd64, word, &value) != 2) {
        return false;
    }
    unsigned setting = lookup(setting_text, VIV_SIM_SETTINGS, word);
    if (setting < VIV_SIM_SETTINGS) {
        plan->settings[setting] = value;
    }
    return setting < VIV_SIM_SETTINGS;
}

static bool read_fault(struct viv_sim_plan *plan, const char *line)
{
    char word[WORD_BYTES_MAX];
    struct viv_sim_fault fault = {0};
    if (sscanf(line, "fault %47s %" SCNd64 " %" SCNd32 " %" SCNd32 " %" SCNd64 " %" SCNd64, word, &fault.at_us,
               &fault.a, &fault.b, &fault.duration_us, &fault.amount) != 6) {
        return false;
    }
    unsigned kind = lookup(fault_text, VIV_SIM_FAULT_KINDS, word);
    fault.kind = (enum viv_sim_fault_kind)kind;
    bool is_sound = kind < VIV_SIM_FAULT_KINDS && fault.a >= VIV_SIM_LEADER && fault.a < VIV_SIM_MACHINES_MAX &&
                    fault.b >= VIV_SIM_LEADER && fault.b < VIV_SIM_CALLERS_MAX && fault.at_us >= 0 &&
                    fault.duration_us >= 0;
    if (is_sound) {
        viv_sim_plan_add_fault(plan, &fault);
    }
    return is_sound;
}

static bool read_op(struct viv_sim_plan *plan, const char *line)
{
    char word[WORD_BYTES_MAX];
    struct viv_sim_op op = {0};
    if (sscanf(line, "op %" SCNd32 " %47s %" SCNd64 " %" SCNu32 " %39s", &op.client, word, &op.after_us, &op.salt,
               op.path) != 5) {
        return false;
    }
    unsigned kind = lookup(op_text, VIV_SIM_OP_KINDS, word);
    op.kind = (enum viv_sim_op_kind)kind;
    bool is_sound = kind < VIV_SIM_OP_KINDS && op.client >= 0 && op.client < VIV_SIM_CALLERS_MAX && op.after_us >= 0;
    if (is_sound) {
        viv_sim_plan_add_op(plan, &op);
    }
    return is_sound;
}

static bool read_line(struct viv_sim_plan *plan, const char *line)
{
    return line[0] == '#' || line[0] == '\n' || sscanf(line, "seed %" SCNu64, &plan->seed) == 1 ||
           read_setting(plan, line) || read_fault(plan, line) || read_op(plan, line);
}

/* Numbers that would not make a world. */
static bool is_possible(const struct viv_sim_plan *plan)
{
    const int64_t *set = plan->settings;
    return set[VIV_SIM_SET_voters] >= 1 && set[VIV_SIM_SET_observers] >= 0 &&
           set[VIV_SIM_SET_voters] + set[VIV_SIM_SET_observers] <= VIV_SIM_MACHINES_MAX &&
           set[VIV_SIM_SET_clients] >= 0 && set[VIV_SIM_SET_clients] <= VIV_SIM_OPERATOR &&
           set[VIV_SIM_SET_tick_ms] >= 10 && set[VIV_SIM_SET_segment_bytes] >= 16384 && set[VIV_SIM_SET_window] >= 1 &&
           set[VIV_SIM_SET_turn_us] >= 1 && set[VIV_SIM_SET_delay_us] >= 1 && set[VIV_SIM_SET_client_delay_us] >= 1;
}

viv_status viv_sim_plan_read(struct viv_sim_plan *plan, FILE *file)
{
    char line[LINE_BYTES_MAX];
    viv_sim_plan_init(plan, 0);
    for (unsigned number = 1; fgets(line, sizeof line, file) != NULL; number++) {
        if (!read_line(plan, line)) {
            line[strcspn(line, "\n")] = '\0';
            viv_log(VIV_LOG_ERROR, "sim", "a line of the schedule makes no sense", "line=%u text=\"%s\"", number, line);
            return VIV_ERR_MALFORMED;
        }
    }
    if (ferror(file)) {
        return VIV_ERR_IO;
    }
    if (!is_possible(plan)) {
        viv_log(VIV_LOG_ERROR, "sim", "the settings of the schedule are out of bounds", "%s", "");
        return VIV_ERR_MALFORMED;
    }
    return VIV_OK;
}
