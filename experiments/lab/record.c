#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/assert.h"
#include "experiments/lab/plan_json.h"
#include "experiments/lab/trial_internal.h"

/* The records of a trial's file, one JSON object a line (partitioning.md §5.3). Times are nanoseconds since the trial
 * began; absent means not measured. */

#define NS_PER_S UINT64_C(1000000000)

void record_line(struct viv_trial *trial, json_t *json)
{
    VIV_ASSERT(json != NULL);
    viv_json_append(trial->out, json, false);
    json_decref(json);
}

static json_int_t since_start(const struct viv_trial *trial, uint64_t at_ns)
{
    return (json_int_t)(at_ns - trial->clock0_ns);
}

void trial_invalid(struct viv_trial *trial, const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    json_array_append_new(trial->invalid_why, json_string(text));
}

void record_header(struct viv_trial *trial)
{
    const struct viv_plan *plan = trial->options->plan;
    record_line(trial, json_pack("{s:s,s:i,s:s,s:s,s:i,s:I,s:s,s:I,s:o}", "t", "header", "v", 1, "plan", plan->name,
                                 "cell", trial->cell->name, "trial", (int)trial->options->slot.trial, "seed",
                                 (json_int_t)trial->seed, "substrate", "local", "clock0_ns",
                                 (json_int_t)trial->clock0_ns, "params", viv_cell_json(trial->cell)));
}

static json_t *rss_json(const struct viv_trial *trial, const struct viv_fleet_usage *usage)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < trial->cell->servers; i++) {
        json_array_append_new(list,
                              usage->rss_bytes[i] > 0 ? json_real((double)usage->rss_bytes[i] / 1e6) : json_null());
    }
    return list;
}

static json_t *disk_json(const struct viv_trial *trial)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < trial->cell->servers; i++) {
        json_array_append_new(list, json_real((double)viv_fleet_disk_bytes(&trial->fleet, i) / 1e6));
    }
    return list;
}

/* Servers' CPU time at a moment, between two samples by the straight line. */
static double cpu_ns_at(const struct step_samples *samples, uint64_t at_ns)
{
    VIV_ASSERT(samples->count > 0);
    size_t next = 0;
    while (next < samples->count && samples->items[next].at_ns < at_ns) {
        next++;
    }
    if (next == 0 || next == samples->count) {
        return (double)samples->items[next == 0 ? 0 : next - 1].usage.cpu_ns;
    }
    const struct step_sample *a = &samples->items[next - 1];
    const struct step_sample *b = &samples->items[next];
    double share = (double)(at_ns - a->at_ns) / (double)(b->at_ns - a->at_ns);
    return (double)a->usage.cpu_ns + share * ((double)b->usage.cpu_ns - (double)a->usage.cpu_ns);
}

static const struct step_sample *sample_near(const struct step_samples *samples, uint64_t at_ns)
{
    size_t index = 0;
    while (index + 1 < samples->count && samples->items[index + 1].at_ns <= at_ns) {
        index++;
    }
    return &samples->items[index];
}

static void record_seconds(struct viv_trial *trial, const struct viv_step *step, const struct viv_load_result *result,
                           const struct step_samples *samples)
{
    for (size_t s = 0; s < result->second_count; s++) {
        const struct viv_load_second *second = &result->seconds[s];
        uint64_t from_ns = result->start_ns + s * NS_PER_S;
        uint64_t to_ns = from_ns + NS_PER_S < result->end_ns ? from_ns + NS_PER_S : result->end_ns;
        double cpu_ms = (cpu_ns_at(samples, to_ns) - cpu_ns_at(samples, from_ns)) / 1e6;
        json_t *json =
            json_pack("{s:s,s:s,s:i,s:s,s:f,s:I,s:I,s:I,s:I,s:I,s:f,s:o}", "t", "sec", "step", step->name, "s", (int)s,
                      "phase", "measure", "len_ms", (double)(to_ns - from_ns) / 1e6, "ok", (json_int_t)second->ok,
                      "get", (json_int_t)second->gets, "write", (json_int_t)(second->ok - second->gets), "err",
                      (json_int_t)second->errors, "lost", (json_int_t)second->lost, "cpu_srv_ms", cpu_ms, "rss_mb",
                      rss_json(trial, &sample_near(samples, to_ns)->usage));
        record_line(trial, json);
    }
}

static void record_histogram(struct viv_trial *trial, const struct viv_step *step, size_t s, const char *op,
                             const struct viv_histogram *histogram)
{
    if (histogram->total + histogram->overflow == 0) {
        return;
    }
    viv_buffer_printf(trial->out,
                      "{\"t\":\"hist\",\"step\":\"%s\",\"s\":%zu,\"op\":\"%s\",\"unit\":\"us\",\"digits\":3,"
                      "\"max\":%" PRIu64 ",\"overflow\":%" PRIu64 ",\"counts\":",
                      step->name, s, op, histogram->max_us, histogram->overflow);
    viv_histogram_encode(histogram, trial->out);
    viv_buffer_append(trial->out, "}\n", 2);
}

static void record_histograms(struct viv_trial *trial, const struct viv_step *step,
                              const struct viv_load_result *result)
{
    const char *write_op = step->load.op == VIV_LOAD_CREATE ? "create" : "set";
    for (size_t s = 0; s < result->second_count; s++) {
        record_histogram(trial, step, s, "get", &result->seconds[s].reads);
        record_histogram(trial, step, s, write_op, &result->seconds[s].writes);
    }
}

static void record_tenths(struct viv_trial *trial, const struct viv_step *step, const struct viv_load_result *result)
{
    json_t *list = json_array();
    for (size_t i = 0; i < result->tenth_count; i++) {
        json_array_append_new(list, json_integer(result->tenths[i]));
    }
    record_line(trial, json_pack("{s:s,s:s,s:I,s:o}", "t", "tenths", "step", step->name, "start_ns",
                                 since_start(trial, result->start_ns), "acked", list));
}

static void add_latencies(json_t *json, const struct viv_load_result *result)
{
    struct viv_histogram all;
    viv_histogram_init(&all);
    viv_load_merge_latencies(result, &all);
    if (all.total > 0) {
        static const struct {
            const char *key;
            double quantile;
            uint64_t samples_min;
        } quantiles[] = {{"p50_us", 0.5, 1}, {"p90_us", 0.9, 100}, {"p99_us", 0.99, 1000}, {"p999_us", 0.999, 10000}};
        for (size_t i = 0; i < sizeof quantiles / sizeof *quantiles; i++) {
            uint64_t value_us = viv_histogram_quantile(&all, quantiles[i].quantile);
            if (all.total >= quantiles[i].samples_min && value_us != UINT64_MAX) {
                json_object_set_new(json, quantiles[i].key, json_integer((json_int_t)value_us));
            }
        }
        json_object_set_new(json, "max_us", json_integer((json_int_t)all.max_us));
        json_object_set_new(json, "mean_us", json_real(viv_histogram_mean_us(&all)));
    }
    json_object_set_new(json, "latency_count", json_integer((json_int_t)all.total));
    json_object_set_new(json, "overflow", json_integer((json_int_t)all.overflow));
    viv_histogram_fini(&all);
}

static json_t *load_json(struct viv_trial *trial, const struct viv_step *step, const struct viv_load_result *result,
                         const struct step_samples *samples)
{
    double seconds = (double)(result->end_ns - result->start_ns) / 1e9;
    double cpu_ns = cpu_ns_at(samples, result->end_ns) - cpu_ns_at(samples, result->start_ns);
    double client_share = (double)result->client_cpu_ns / (double)(result->end_ns - result->start_ns);
    json_t *json = json_pack("{s:s,s:s,s:s,s:s,s:I,s:I,s:f,s:I,s:I,s:I,s:I}", "t", "step", "name", step->name, "do",
                             viv_step_kind_name(step->kind), "op", viv_load_op_name(step->load.op), "start_ns",
                             since_start(trial, result->start_ns), "end_ns", since_start(trial, result->end_ns),
                             "measure_s", seconds, "ok", (json_int_t)result->ok, "err", (json_int_t)result->errors,
                             "lost", (json_int_t)result->lost, "offered", (json_int_t)result->offered);
    json_object_set_new(json, "ops_s", json_real((double)result->ok / seconds));
    if (step->load.rate_per_s > 0 && result->offered > 0) {
        json_object_set_new(json, "achieved_ratio", json_real((double)result->ok / (double)result->offered));
    }
    if (result->first_error != 0) {
        json_object_set_new(json, "first_err", json_integer(result->first_error));
    }
    add_latencies(json, result);
    if (result->ok > 0) {
        json_object_set_new(json, "cpu_srv_us_per_op", json_real(cpu_ns / 1e3 / (double)result->ok));
        json_object_set_new(json, "cpu_cli_us_per_op",
                            json_real((double)result->client_cpu_ns / 1e3 / (double)result->ok));
    }
    json_object_set_new(json, "cpu_srv_ms", json_real(cpu_ns / 1e6));
    json_object_set_new(json, "client_share", json_real(client_share));
    json_object_set_new(json, "reconnects", json_integer((json_int_t)result->reconnects));
    json_object_set_new(json, "expired", json_integer((json_int_t)result->expired));
    return json;
}

void record_load(struct viv_trial *trial, const struct viv_step *step, const struct viv_load_result *result,
                 const struct step_samples *samples)
{
    record_seconds(trial, step, result, samples);
    record_histograms(trial, step, result);
    record_tenths(trial, step, result);
    json_t *json = load_json(trial, step, result, samples);
    json_object_set_new(json, "rss_mb", rss_json(trial, &samples->items[samples->count - 1].usage));
    json_object_set_new(json, "disk_mb", disk_json(trial));
    if (json_real_value(json_object_get(json, "client_share")) > 0.9) {
        trial_invalid(trial, "step %s: the load generator itself was the bottleneck", step->name);
    }
    if (json_integer_value(json_object_get(json, "overflow")) > 0) {
        trial_invalid(trial, "step %s: latencies longer than 100 s", step->name);
    }
    if (result->errors > 0) {
        trial_invalid(trial, "step %s: %" PRIu64 " requests were refused, the first with %d", step->name,
                      result->errors, (int)result->first_error);
    }
    record_line(trial, json);
}

void record_step_without_load(struct viv_trial *trial, const struct viv_step *step, uint64_t start_ns)
{
    struct viv_fleet_usage usage;
    viv_fleet_usage(&trial->fleet, &usage);
    record_line(trial, json_pack("{s:s,s:s,s:s,s:I,s:I,s:o,s:o}", "t", "step", "name", step->name, "do",
                                 viv_step_kind_name(step->kind), "start_ns", since_start(trial, start_ns), "end_ns",
                                 since_start(trial, viv_client_now_ns()), "rss_mb", rss_json(trial, &usage), "disk_mb",
                                 disk_json(trial)));
}

void record_event(struct viv_trial *trial, const struct viv_step *step, uint64_t at_ns, const char *code, json_t *arg)
{
    json_t *json = json_pack("{s:s,s:s,s:I,s:s,s:s}", "t", "event", "step", step->name, "ns", since_start(trial, at_ns),
                             "src", "runner", "code", code);
    if (arg != NULL) {
        json_object_set_new(json, "arg", arg);
    }
    record_line(trial, json);
}

void record_trace(struct viv_trial *trial, const struct viv_step *step, const struct viv_trace *trace, uint64_t from_ns)
{
    for (size_t i = 0; i < trace->event_count; i++) {
        const struct viv_trace_event *event = &trace->events[i];
        if (event->t_ns >= from_ns) {
            record_line(trial,
                        json_pack("{s:s,s:s,s:I,s:s,s:I,s:i,s:s,s:I,s:I}", "t", "event", "step", step->name, "ns",
                                  since_start(trial, event->t_ns), "src", "server", "sid", (json_int_t)event->sid,
                                  "gid", (int)event->gid, "code", viv_trace_name(event->code), "a",
                                  (json_int_t)event->a, "b", (json_int_t)event->b));
        }
    }
}

void record_recovery(struct viv_trial *trial, const struct viv_step *step, const struct viv_recovery *recovery,
                     uint32_t index, const char *after, double after_ms)
{
    json_t *json = json_pack("{s:s,s:s,s:s,s:i,s:i,s:f}", "t", "recovery", "step", step->name, "kind", recovery->kind,
                             "gid", 0, "sid", (int)index + 1, "whole_ms", recovery->whole_ms);
    bool traces = viv_system_traces(trial->cell->system);
    if (after_ms >= 0) {
        json_object_set_new(json, "full_ms", json_real(recovery->whole_ms + after_ms));
    }
    if (recovery->part_count > 0) {
        json_t *parts = json_object();
        for (unsigned i = 0; i < recovery->part_count; i++) {
            json_object_set_new(parts, recovery->parts[i].name, json_real(recovery->parts[i].ms));
        }
        if (after_ms >= 0) {
            json_object_set_new(parts, after, json_real(after_ms));
        }
        json_object_set_new(json, "parts_ms", parts);
        json_object_set_new(json, "rounds", json_integer(recovery->rounds));
        json_object_set_new(json, "sum_check_ms", json_real(recovery->sum_check_ms));
        if (!viv_recovery_adds_up(recovery)) {
            trial_invalid(trial, "step %s: the parts of the %s miss its whole by %.3f ms", step->name, recovery->kind,
                          recovery->sum_check_ms);
        }
    } else {
        json_object_set_new(json, "parts_ms", json_null());
        json_object_set_new(json, "parts_why", json_string(traces ? recovery->why : "this system emits no milestones"));
        if (traces && !recovery->whole_only) {
            trial_invalid(trial, "step %s: %s", step->name, recovery->why);
        }
    }
    record_line(trial, json);
}

void record_summary(struct viv_trial *trial, const char *state, uint64_t steal_percent_tenths)
{
    bool valid = json_array_size(trial->invalid_why) == 0 && trial->why[0] == '\0';
    json_t *json = json_pack("{s:s,s:s,s:b,s:O,s:I,s:I,s:I,s:f,s:f}", "t", "summary", "state", state, "valid", valid,
                             "invalid_why", trial->invalid_why, "checked", (json_int_t)trial->checked, "lost_acked",
                             (json_int_t)trial->lost_acked, "violations", (json_int_t)trial->violations, "steal_pct",
                             (double)steal_percent_tenths / 10, "duration_s",
                             (double)(viv_client_now_ns() - trial->clock0_ns) / 1e9);
    if (trial->why[0] != '\0') {
        json_object_set_new(json, "why", json_string(trial->why));
    }
    record_line(trial, json);
}
