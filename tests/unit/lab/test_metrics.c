#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "experiments/lab/files.h"
#include "experiments/lab/report.h"
#include "tests/support/viv_test.h"

/* A run written by hand: two systems and a control cell, three trials each, one saturated step. */

static const char plan[] =
    "{\"name\":\"tiny\",\"question\":\"Is <b> escaped?\",\"cells\":["
    "{\"name\":\"flat\",\"system\":\"vivarium\",\"control\":false},"
    "{\"name\":\"flat.control\",\"system\":\"vivarium\",\"control\":true},"
    "{\"name\":\"zookeeper\",\"system\":\"zookeeper\",\"control\":false}],"
    "\"steps\":[{\"name\":\"set\",\"do\":\"load\",\"op\":\"set\",\"clients\":4,\"pipeline\":10}]}";

static void write_file(const char *dir, const char *name, const char *text)
{
    char *path = viv_text("%s/%s", dir, name);
    cr_assert_eq(viv_file_write_whole(path, viv_bytes_text(text)), VIV_OK);
    free(path);
}

static void write_trial(const char *dir, const char *cell, int number, double ops_s, bool valid)
{
    char *name = viv_text("trials/%s-%d.jsonl", cell, number);
    char *text = viv_text("{\"t\":\"header\",\"cell\":\"%s\",\"trial\":%d}\n"
                          "{\"t\":\"step\",\"name\":\"set\",\"ops_s\":%f,\"p50_us\":%f}\n"
                          "{\"t\":\"summary\",\"state\":\"%s\",\"valid\":%s,\"invalid_why\":[],\"why\":\"%s\"}\n",
                          cell, number, ops_s, 1e6 / ops_s, valid ? "ok" : "failed", valid ? "true" : "false",
                          valid ? "" : "the server died");
    write_file(dir, name, text);
    free(name);
    free(text);
}

/* scale: throughput of `flat` relative to the usual. */
static char *make_run(double scale)
{
    char *dir = viv_text("/tmp/viv-metrics-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
    char *trials = viv_text("%s/trials", dir);
    cr_assert_eq(viv_dir_make(trials), VIV_OK);
    free(trials);
    write_file(dir, "resolved.json", plan);
    for (int i = 0; i < 3; i++) {
        write_trial(dir, "flat", i + 1, scale * (3000 + 100 * i), true);
        write_trial(dir, "flat.control", i + 1, scale * (3300 + 110 * i), true);
        write_trial(dir, "zookeeper", i + 1, 1000 + 10 * i, i != 2);
    }
    return dir;
}

static void remove_run(char *dir)
{
    viv_dir_remove(dir);
    free(dir);
}

VIV_TEST(lab_metrics, medians_spread_noise_and_ratios_are_those_computed_by_hand)
{
    struct viv_results results;
    struct viv_metric_table table;
    char *dir = make_run(1);
    cr_assert_eq(viv_results_load(dir, &results), VIV_OK);
    viv_metrics_make(&results, &table);
    cr_assert_eq(table.row_count, 2, "throughput and median latency; the rest was not measured");
    const struct viv_metric_row *row = &table.rows[0];
    cr_assert_float_eq(row->values[0].median, 3100, 1e-9);
    cr_assert_float_eq(row->values[0].max, 3200, 1e-9);
    cr_assert_eq(row->values[2].count, 2, "a failed trial does not count");
    cr_assert_float_eq(row->values[2].median, 1005, 1e-9, "the mean of the two middle ones");
    cr_assert_float_eq(row->noise, 0.1, 1e-9);
    bool is_noise;
    cr_assert_eq(viv_metrics_reference(&table), 2);
    cr_assert_float_eq(viv_metrics_ratio(row, 0, 2, &is_noise), 3100.0 / 1005, 1e-9);
    cr_assert_not(is_noise);
    viv_metrics_ratio(row, 1, 0, &is_noise);
    cr_assert(is_noise, "the control pair differs by the noise itself");
    viv_metrics_fini(&table);
    viv_results_fini(&results);
    remove_run(dir);
}

VIV_TEST(lab_metrics, half_as_much_is_as_far_away_as_twice_as_much)
{
    cr_assert_float_eq(viv_metrics_distance(2), 1, 1e-12);
    cr_assert_float_eq(viv_metrics_distance(0.5), 1, 1e-12);
    cr_assert_float_eq(viv_metrics_distance(1), 0, 1e-12);
}

VIV_TEST(lab_metrics, a_failed_trial_is_a_line_with_its_reason_and_text_is_escaped)
{
    struct viv_results results;
    struct viv_metric_table table;
    struct viv_buffer text = {0};
    struct viv_buffer html = {0};
    char *dir = make_run(1);
    cr_assert_eq(viv_results_load(dir, &results), VIV_OK);
    viv_metrics_make(&results, &table);
    viv_report_table(&table, &text);
    viv_report_html(&table, &html);
    cr_assert_not_null(memmem(text.data, text.size, "the server died", 15));
    cr_assert_not_null(memmem(html.data, html.size, "the server died", 15));
    cr_assert_not_null(memmem(html.data, html.size, "Is &lt;b&gt; escaped?", 21));
    cr_assert_null(memmem(html.data, html.size, "http", 4), "the page needs nothing from elsewhere");
    viv_buffer_fini(&text);
    viv_buffer_fini(&html);
    viv_metrics_fini(&table);
    viv_results_fini(&results);
    remove_run(dir);
}

VIV_TEST(lab_compare, exit_codes_say_worse_no_worse_and_cannot_tell)
{
    char *before = make_run(1);
    char *slower = make_run(0.5);
    char *faster = make_run(2);
    cr_assert_eq(viv_compare(before, before, false), 0);
    cr_assert_eq(viv_compare(before, faster, true), 0);
    cr_assert_eq(viv_compare(before, slower, false), 1);
    cr_assert_eq(viv_compare(before, "/nonexistent", false), 2);
    write_file(faster, "resolved.json", "{\"name\":\"other\"}");
    cr_assert_eq(viv_compare(before, faster, false), 2, "runs of different plans");
    remove_run(before);
    remove_run(slower);
    remove_run(faster);
}
