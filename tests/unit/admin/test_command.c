#include <string.h>

#include "admin/authorization.h"
#include "admin/command.h"
#include "admin/health.h"
#include "admin/report.h"
#include "node/digests.h"
#include "tests/support/viv_test.h"

VIV_TEST(admin_command, names_and_aliases_are_whole_words)
{
    cr_assert_eq(viv_command_find("configuration"), VIV_COMMAND_configuration);
    cr_assert_eq(viv_command_find("conf"), VIV_COMMAND_configuration);
    cr_assert_eq(viv_command_find("config"), VIV_COMMAND_configuration);
    cr_assert_eq(viv_command_find("wchp"), VIV_COMMAND_watches_by_path);
    static const char *const strangers[] = {"", " ", "con", "confi", "conf ", "conf config", "Ruok", "ruok\n"};
    for (size_t i = 0; i < sizeof strangers / sizeof strangers[0]; i++) {
        cr_assert_eq(viv_command_find(strangers[i]), VIV_COMMAND_COUNT, "%s", strangers[i]);
    }
}

VIV_TEST(admin_command, health_is_asked_at_three_paths)
{
    cr_assert_eq(viv_health_find("/live"), VIV_HEALTH_LIVE);
    cr_assert_eq(viv_health_find("/ready"), VIV_HEALTH_READY);
    cr_assert_eq(viv_health_find("/safe-to-stop"), VIV_HEALTH_SAFE_TO_STOP);
    cr_assert_eq(viv_health_find("/ready/"), VIV_HEALTH_COUNT);
    cr_assert_eq(viv_health_find(""), VIV_HEALTH_COUNT);
}

VIV_TEST(admin_command, an_authorization_is_a_scheme_and_one_word)
{
    struct viv_bytes scheme, auth;
    cr_assert(viv_authorization_parse("digest root:a b", &scheme, &auth) == false);
    cr_assert(viv_authorization_parse("digest root:secret", &scheme, &auth));
    cr_assert(viv_bytes_equal(scheme, VIV_BYTES_LITERAL("digest")));
    cr_assert(viv_bytes_equal(auth, VIV_BYTES_LITERAL("root:secret")));
    cr_assert(viv_authorization_parse("ip", &scheme, &auth));
    cr_assert(viv_bytes_equal(scheme, VIV_BYTES_LITERAL("ip")) && auth.size == 0);
    static const char *const wrong[] = {"", " ", "digest ", " digest", "digest  x", "a b c"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        cr_assert_not(viv_authorization_parse(wrong[i], &scheme, &auth), "'%s'", wrong[i]);
    }
    char longest[VIV_AUTHORIZATION_BYTES_MAX + 2];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    cr_assert_not(viv_authorization_parse(longest, &scheme, &auth));
    longest[VIV_AUTHORIZATION_BYTES_MAX] = '\0';
    cr_assert(viv_authorization_parse(longest, &scheme, &auth));
}

/* ---- reports ---- */

static bool three_times(struct viv_report *report, struct viv_buffer *out)
{
    report->place.at++;
    viv_buffer_printf(out, "%d", (int)report->place.at);
    return report->place.at == 3;
}

static void count_end(void *ctx)
{
    ++*(int *)ctx;
}

VIV_TEST(admin_command, a_report_goes_on_until_its_last_step_is_done_and_each_begins_anew)
{
    viv_report_step_fn *const steps[] = {three_times, three_times, NULL};
    int ends = 0;
    struct viv_buffer out = {0};
    struct viv_report *report = viv_report_new(NULL, steps);
    report->detail = &ends;
    report->end_detail = count_end;
    unsigned pieces = 1;
    while (viv_report_next(report, &out)) {
        pieces++;
    }
    cr_assert_eq(pieces, 6);
    cr_assert(viv_bytes_equal(viv_buffer_bytes(&out), VIV_BYTES_LITERAL("123123")));
    cr_assert_not(viv_report_next(report, &out));
    viv_report_free(report);
    cr_assert_eq(ends, 1);
    viv_buffer_fini(&out);
}

/* ---- digests ---- */

VIV_TEST(admin_command, the_newest_1024_digests_are_kept_in_order)
{
    struct viv_digests digests = {0};
    cr_assert_eq(viv_digests_count(&digests), 0);
    for (uint64_t zxid = 1; zxid <= 128 * 1500; zxid++) {
        if (viv_digests_wants(zxid)) {
            viv_digests_note(&digests, zxid, zxid * 3);
        }
    }
    cr_assert_eq(viv_digests_count(&digests), VIV_DIGESTS_MAX);
    for (size_t i = 0; i < VIV_DIGESTS_MAX; i++) {
        struct viv_zxid_digest item = viv_digests_at(&digests, i);
        cr_assert_eq(item.zxid, 128 * (1500 - VIV_DIGESTS_MAX + 1 + i));
        cr_assert_eq(item.digest, item.zxid * 3);
    }
}
