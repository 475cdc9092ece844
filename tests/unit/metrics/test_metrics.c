#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "metrics/metrics.h"
#include "tests/support/viv_test.h"

static const struct viv_metrics_view alone = {false, false}, following = {true, false}, leading = {true, true};

/* The value of a line of mntr; NULL: there is none. Into a buffer of its own. */
static const char *line_of(const struct viv_buffer *text, const char *name)
{
    static char value[64];
    char wanted[128];
    int size = snprintf(wanted, sizeof wanted, "\n%s\t", name);
    const char *at = strstr((const char *)text->data, wanted);
    if (at == NULL) {
        return NULL;
    }
    size_t length = strcspn(at + size, "\n");
    cr_assert_lt(length, sizeof value);
    memcpy(value, at + size, length);
    value[length] = '\0';
    return value;
}

static struct viv_buffer mntr(const struct viv_metrics *metrics, const struct viv_metrics_view *view)
{
    struct viv_buffer text = {0};
    viv_buffer_printf(&text, "\n");
    viv_metrics_mntr(metrics, view, &text);
    viv_buffer_append(&text, "", 1);
    return text;
}

#define EXPECT_LINE(text, name, value) cr_expect_str_eq(line_of(text, name), value, "%s: %s", name, line_of(text, name))

/* ---- names ---- */

/* Returns how many names of mntr-names.txt up to the end of the section `until` are missing among the lines. */
static size_t missing_names(const struct viv_buffer *text, const char *until, size_t *asked)
{
    char path[4096], name[128], wanted[160];
    snprintf(path, sizeof path, "%s/tests/unit/metrics/mntr-names.txt", getenv("VIV_SOURCE_DIR"));
    FILE *file = fopen(path, "r");
    cr_assert_not_null(file, "%s", path);
    size_t missing = 0;
    bool is_last = false;
    *asked = 0;
    while (fgets(name, sizeof name, file) != NULL) {
        name[strcspn(name, "\n")] = '\0';
        if (name[0] == '[') {
            if (is_last) {
                break;
            }
            is_last = strcmp(name, until) == 0;
        } else if (name[0] != '#') {
            snprintf(wanted, sizeof wanted, "zk_%s", name);
            bool is_there = line_of(text, wanted) != NULL;
            missing += !is_there;
            (*asked)++;
        }
    }
    fclose(file);
    return missing;
}

VIV_TEST(metrics, every_name_of_zookeepers_mntr_is_there)
{
    struct viv_metrics *metrics = viv_metrics_new(1);
    static const struct {
        const struct viv_metrics_view *view;
        const char *until;
    } cases[] = {{&alone, "[always]"}, {&following, "[ensemble]"}, {&leading, "[leader]"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t asked = 0;
        struct viv_buffer text = mntr(metrics, cases[i].view);
        cr_expect_eq(missing_names(&text, cases[i].until, &asked), 0, "%s", cases[i].until);
        cr_expect_geq(asked, 480);
        viv_buffer_fini(&text);
    }
    /* Negative control: who does not lead does not show a leader's names. */
    size_t asked = 0;
    struct viv_buffer text = mntr(metrics, &following);
    cr_expect_eq(missing_names(&text, "[leader]", &asked), 9);
    viv_buffer_fini(&text);
    viv_metrics_free(metrics);
}

VIV_TEST(metrics, values_have_zookeepers_shapes)
{
    struct viv_metrics *metrics = viv_metrics_new(1);
    viv_metrics_set(metrics, VIV_METRIC_last_client_response_size, -1);
    viv_metrics_set(metrics, VIV_METRIC_avg_latency, 11398);
    viv_metrics_add(metrics, VIV_METRIC_proposal_count, 7);
    viv_metrics_observe(metrics, VIV_METRIC_fsynctime, 2300000);
    viv_metrics_observe(metrics, VIV_METRIC_fsynctime, 1000000);
    viv_metrics_observe_many(metrics, VIV_METRIC_updatelatency, 5000000, 100);
    viv_metrics_observe(metrics, VIV_METRIC_startup_txns_loaded, 10);
    viv_metrics_observe(metrics, VIV_METRIC_startup_txns_loaded, 11);
    viv_metrics_set_text(metrics, VIV_METRIC_viv_backend, "flat");
    struct viv_buffer text = mntr(metrics, &alone);
    EXPECT_LINE(&text, "zk_last_client_response_size", "-1");
    EXPECT_LINE(&text, "zk_avg_latency", "1.1398");
    EXPECT_LINE(&text, "zk_proposal_count", "7");
    EXPECT_LINE(&text, "zk_avg_fsynctime", "1.65");
    EXPECT_LINE(&text, "zk_min_fsynctime", "1");
    EXPECT_LINE(&text, "zk_max_fsynctime", "2");
    EXPECT_LINE(&text, "zk_cnt_fsynctime", "2");
    EXPECT_LINE(&text, "zk_sum_fsynctime", "3");
    EXPECT_LINE(&text, "zk_avg_updatelatency", "5.0");
    EXPECT_LINE(&text, "zk_p999_updatelatency", "5");
    EXPECT_LINE(&text, "zk_avg_startup_txns_loaded", "10.5");
    EXPECT_LINE(&text, "zk_avg_readlatency", "0.0");
    EXPECT_LINE(&text, "zk_p50_readlatency", "0");
    EXPECT_LINE(&text, "viv_backend", "flat");
    cr_expect_null(line_of(&text, "zk_p50_fsynctime"));
    viv_buffer_fini(&text);
    viv_metrics_free(metrics);
}

VIV_TEST(metrics, what_concerns_a_group_carries_its_id)
{
    struct viv_metrics *metrics = viv_metrics_new(3);
    viv_metrics_group_set(metrics, 0, VIV_METRIC_last_zxid, 5);
    viv_metrics_group_set(metrics, 2, VIV_METRIC_digest, -1);
    viv_metrics_group_set_count(metrics, 1, VIV_METRIC_proposals, 9);
    struct viv_buffer text = mntr(metrics, &alone);
    EXPECT_LINE(&text, "viv_group_0_last_zxid", "5");
    EXPECT_LINE(&text, "viv_group_2_digest", "18446744073709551615");
    EXPECT_LINE(&text, "viv_group_1_proposals", "9");
    EXPECT_LINE(&text, "viv_group_2_proposals", "0");
    cr_expect_null(line_of(&text, "viv_group_3_proposals"));
    viv_buffer_fini(&text);
    viv_metrics_free(metrics);
}

VIV_TEST(metrics, a_namespace_is_the_first_part_of_a_path)
{
    struct viv_metrics *metrics = viv_metrics_new(1);
    viv_metrics_namespace_observe(metrics, VIV_METRIC_write_per_namespace, viv_bytes_text("/app/x"), 10, 1);
    viv_metrics_namespace_observe(metrics, VIV_METRIC_write_per_namespace, viv_bytes_text("/app"), 1, 2);
    viv_metrics_namespace_observe(metrics, VIV_METRIC_write_per_namespace, viv_bytes_text("/"), 1, 1);
    viv_metrics_namespace_observe(metrics, VIV_METRIC_write_per_namespace, viv_bytes_text(""), 1, 1);
    struct viv_buffer text = mntr(metrics, &alone);
    EXPECT_LINE(&text, "zk_cnt_app_write_per_namespace", "3");
    EXPECT_LINE(&text, "zk_sum_app_write_per_namespace", "26");
    cr_expect_null(line_of(&text, "zk_cnt__write_per_namespace"));
    viv_buffer_fini(&text);
    viv_metrics_free(metrics);
}

VIV_TEST(metrics, more_keys_than_a_set_holds_are_counted_together)
{
    struct viv_metrics *metrics = viv_metrics_new(1);
    for (int i = 0; i < 100 * VIV_METRIC_KEYS_MAX; i++) {
        char key[2 * VIV_METRIC_KEY_BYTES_MAX];
        int size = snprintf(key, sizeof key, "k%d", i);
        viv_metrics_key_add(metrics, VIV_METRIC_quota_exceeded_error_per_namespace, viv_bytes_of(key, (size_t)size), 1);
    }
    struct viv_buffer text = mntr(metrics, &alone);
    EXPECT_LINE(&text, "zk_k0_quota_exceeded_error_per_namespace", "1");
    EXPECT_LINE(&text, "zk_k63_quota_exceeded_error_per_namespace", "1");
    cr_expect_null(line_of(&text, "zk_k64_quota_exceeded_error_per_namespace"));
    EXPECT_LINE(&text, "zk_other_quota_exceeded_error_per_namespace", "6336");
    viv_buffer_fini(&text);
    viv_metrics_free(metrics);
}

VIV_TEST(metrics, a_gauge_of_a_key_that_is_gone_is_not_shown_again)
{
    struct viv_metrics *metrics = viv_metrics_new(1);
    viv_metrics_namespace_set(metrics, VIV_METRIC_quota_count_limit_per_namespace, viv_bytes_text("/a/b"), 5);
    viv_metrics_keys_clear(metrics, VIV_METRIC_quota_count_limit_per_namespace);
    viv_metrics_namespace_set(metrics, VIV_METRIC_quota_count_limit_per_namespace, viv_bytes_text("/c"), -1);
    struct viv_buffer text = mntr(metrics, &alone);
    cr_expect_null(line_of(&text, "zk_a_quota_count_limit_per_namespace"));
    EXPECT_LINE(&text, "zk_c_quota_count_limit_per_namespace", "-1");
    viv_buffer_fini(&text);
    viv_metrics_free(metrics);
}

VIV_TEST(metrics, a_reset_begins_anew_for_mntr_and_changes_nothing_for_prometheus)
{
    struct viv_metrics *metrics = viv_metrics_new(1);
    viv_metrics_set_count(metrics, VIV_METRIC_commit_count, 40);
    viv_metrics_observe_many(metrics, VIV_METRIC_readlatency, 3000000, 4);
    viv_metrics_reset(metrics);
    viv_metrics_set_count(metrics, VIV_METRIC_commit_count, 42);
    viv_metrics_observe(metrics, VIV_METRIC_readlatency, 1000000);
    struct viv_buffer text = mntr(metrics, &alone), scraped = {0};
    EXPECT_LINE(&text, "zk_commit_count", "2");
    EXPECT_LINE(&text, "zk_cnt_readlatency", "1");
    EXPECT_LINE(&text, "zk_max_readlatency", "1");
    viv_metrics_prometheus(metrics, &alone, NULL, 0, &scraped);
    viv_buffer_append(&scraped, "", 1);
    cr_expect_not_null(strstr((char *)scraped.data, "\ncommit_count 42.0\n"));
    cr_expect_not_null(strstr((char *)scraped.data, "\nreadlatency_count 5.0\nreadlatency_sum 13.0\n"));
    viv_buffer_fini(&text);
    viv_buffer_fini(&scraped);
    viv_metrics_free(metrics);
}
