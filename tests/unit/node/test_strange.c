#include <string.h>

#include "base/log.h"
#include "node/strange.h"
#include "tests/support/viv_test.h"

static unsigned lines;
static char last[256];

static void count_line(void *ctx, enum viv_log_level level, const char *room, const char *text, const char *fields)
{
    (void)ctx, (void)level, (void)room, (void)text;
    lines++;
    strncpy(last, fields, sizeof last - 1);
}

VIV_TEST(node_strange, a_flood_of_one_kind_is_a_line_a_second_and_hides_no_other_kind)
{
    struct viv_strangeness strangeness = {0};
    viv_log_set_sink(VIV_LOG_DEBUG, count_line, NULL);
    for (uint64_t now_ms = 0; now_ms < 10000; now_ms++) {
        viv_strange_tell(&strangeness, VIV_STRANGE_HEADER, now_ms, 7, 3);
    }
    cr_assert_eq(lines, 10U);
    cr_assert_str_eq(last, "conn=7 bytes=3 swallowed=999");
    viv_strange_tell(&strangeness, VIV_STRANGE_REQUEST, 9500, 8, -7);
    cr_assert_eq(lines, 11U);
    cr_assert_str_eq(last, "conn=8 op=-7 swallowed=0");
    viv_log_set_sink(VIV_LOG_DEBUG, NULL, NULL);
}
