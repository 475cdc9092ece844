#include "tests/support/viv_test.h"

#include <criterion/hooks.h>

static int all_have_ended;

ReportHook(POST_ALL)(struct criterion_global_stats *stats)
{
    (void)stats;
    all_have_ended = 1;
}

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/lsan_interface.h>

int __lsan_is_turned_off(void)
{
    return all_have_ended;
}

int viv_test_leaks(void)
{
    return __lsan_do_recoverable_leak_check();
}
#else
int viv_test_leaks(void)
{
    (void)all_have_ended;
    return 0;
}
#endif
