#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "metrics/metrics.h"
#include "tests/support/viv_test.h"

static const struct viv_metrics_view leading = {true, true};

static char *scrape(const struct viv_metrics *metrics, const char *name)
{
    struct viv_buffer out = {0};
    struct viv_bytes wanted = viv_bytes_text(name);
    viv_metrics_prometheus(metrics, &leading, &wanted, name[0] != '\0', &out);
    viv_buffer_append(&out, "", 1);
    return (char *)out.data;
}

static void observe_sets(struct viv_metrics *metrics)
{
    static const enum viv_metric_id gauges[] = {
        VIV_METRIC_quota_count_limit_per_namespace,
        VIV_METRIC_quota_bytes_limit_per_namespace,
        VIV_METRIC_quota_count_usage_per_namespace,
        VIV_METRIC_quota_bytes_usage_per_namespace,
    };
    static const enum viv_metric_id summaries[] = {
        VIV_METRIC_read_per_namespace,      VIV_METRIC_write_per_namespace,        VIV_METRIC_ack_latency,
        VIV_METRIC_learner_handler_qp_size, VIV_METRIC_learner_handler_qp_time_ms,
    };
    for (size_t i = 0; i < sizeof gauges / sizeof gauges[0]; i++) {
        viv_metrics_key_set(metrics, gauges[i], viv_bytes_text("app"), 1);
    }
    for (size_t i = 0; i < sizeof summaries / sizeof summaries[0]; i++) {
        viv_metrics_key_observe(metrics, summaries[i], viv_bytes_text("1"), 1, 1);
    }
    viv_metrics_key_add(metrics, VIV_METRIC_quota_exceeded_error_per_namespace, viv_bytes_text("app"), 1);
}

VIV_TEST(metrics_prometheus, every_name_that_dashboards_ask_for_has_a_value_of_its_type)
{
    struct viv_metrics *metrics = viv_metrics_new(1);
    observe_sets(metrics);
    char path[4096], line[160], head[400], type[16], name[96];
    snprintf(path, sizeof path, "%s/tests/unit/metrics/dashboard-names.txt", getenv("VIV_SOURCE_DIR"));
    FILE *file = fopen(path, "r");
    cr_assert_not_null(file, "%s", path);
    size_t asked = 0;
    while (fgets(line, sizeof line, file) != NULL) {
        if (line[0] == '#') {
            continue;
        }
        cr_assert_eq(sscanf(line, "%15s %95s", type, name), 2);
        bool is_summary = strcmp(type, "summary") == 0;
        char count_name[112];
        snprintf(count_name, sizeof count_name, "%s_count", name);
        char *text = scrape(metrics, is_summary ? count_name : name);
        snprintf(head, sizeof head, "# HELP %s %s\n# TYPE %s %s\n", name, name, name, type);
        cr_expect_eq(strncmp(text, head, strlen(head)), 0, "%s: %s", name, text);
        cr_expect_not_null(strstr(text, is_summary ? "_count" : name), "%s", name);
        asked++;
        free(text);
    }
    fclose(file);
    cr_expect_geq(asked, 130);
    char *text = scrape(metrics, "no_such_name");
    cr_expect_str_eq(text, "");
    free(text);
    viv_metrics_free(metrics);
}

VIV_TEST(metrics_prometheus, the_text_has_the_shape_of_zookeepers)
{
    struct viv_metrics *metrics = viv_metrics_new(1);
    viv_metrics_set(metrics, VIV_METRIC_znode_count, 5);
    viv_metrics_set(metrics, VIV_METRIC_min_client_response_size, -1);
    viv_metrics_observe(metrics, VIV_METRIC_readlatency, 250000);
    viv_metrics_observe(metrics, VIV_METRIC_startup_txns_loaded, 12);
    viv_metrics_set_text(metrics, VIV_METRIC_viv_backend, "flat");
    viv_metrics_group_set(metrics, 0, VIV_METRIC_last_zxid, 77);
    static const struct {
        const char *name, *text;
    } expected[] = {
        {"znode_count", "# HELP znode_count znode_count\n# TYPE znode_count gauge\nznode_count 5.0\n"},
        {"min_client_response_size", "# HELP min_client_response_size min_client_response_size\n"
                                     "# TYPE min_client_response_size gauge\nmin_client_response_size -1.0\n"},
        {"readlatency", "# HELP readlatency readlatency\n# TYPE readlatency summary\n"
                        "readlatency{quantile=\"0.5\",} 0.25\nreadlatency{quantile=\"0.9\",} 0.25\n"
                        "readlatency{quantile=\"0.99\",} 0.25\n"},
        {"updatelatency", "# HELP updatelatency updatelatency\n# TYPE updatelatency summary\n"
                          "updatelatency{quantile=\"0.5\",} NaN\nupdatelatency{quantile=\"0.9\",} NaN\n"
                          "updatelatency{quantile=\"0.99\",} NaN\n"},
        {"startup_txns_loaded", "# HELP startup_txns_loaded startup_txns_loaded\n"
                                "# TYPE startup_txns_loaded summary\nstartup_txns_loaded{quantile=\"0.5\",} 12.0\n"},
        {"viv_backend", "# HELP viv_backend the named pairing of log store and state store\n"
                        "# TYPE viv_backend gauge\nviv_backend{key=\"flat\",} 1.0\n"},
        {"viv_last_zxid", "# HELP viv_last_zxid last transaction applied, or the start of the epoch served\n"
                          "# TYPE viv_last_zxid gauge\nviv_last_zxid{group=\"0\",} 77.0\n"},
    };
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        char *text = scrape(metrics, expected[i].name);
        cr_expect_str_eq(text, expected[i].text, "%s", text);
        free(text);
    }
    viv_metrics_free(metrics);
}

VIV_TEST(metrics_prometheus, a_family_has_one_head_and_keys_are_escaped)
{
    struct viv_metrics *metrics = viv_metrics_new(1);
    viv_metrics_key_add(metrics, VIV_METRIC_quota_exceeded_error_per_namespace, viv_bytes_text("a\"b\\c\nd"), 1);
    viv_metrics_key_add(metrics, VIV_METRIC_quota_exceeded_error_per_namespace, viv_bytes_text("e"), 2);
    char *text = scrape(metrics, "quota_exceeded_error_per_namespace");
    cr_expect_str_eq(text, "# HELP quota_exceeded_error_per_namespace quota_exceeded_error_per_namespace\n"
                           "# TYPE quota_exceeded_error_per_namespace counter\n"
                           "quota_exceeded_error_per_namespace{key=\"a\\\"b\\\\c\\nd\",} 1.0\n"
                           "quota_exceeded_error_per_namespace{key=\"e\",} 2.0\n");
    free(text);
    viv_metrics_free(metrics);
}

VIV_TEST(metrics_prometheus, stages_are_summaries_with_labels)
{
    struct viv_metrics *metrics = viv_metrics_new(1);
    struct viv_stage_times times = {{1000000, 1000000, 1000000, 1000000, 3000000, 3000000, 3000000, 3000000}};
    viv_stages_record(viv_metrics_stages(metrics), VIV_STAGE_VIEW_CLIENT, 5, &times, 1);
    char *text = scrape(metrics, "viv_stage_ms");
    cr_expect_not_null(
        strstr(text, "viv_stage_ms{seen=\"client\",op=\"setData\",stage=\"stored\",quantile=\"0.5\",} 2.0\n"));
    free(text);
    text = scrape(metrics, "viv_stage_ms_sum");
    cr_expect_not_null(strstr(text, "viv_stage_ms_sum{seen=\"client\",op=\"setData\",stage=\"whole\",} 2.0\n"));
    free(text);
    viv_metrics_free(metrics);
}
