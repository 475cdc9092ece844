#ifndef VIV_TESTS_SUPPORT_VIV_TEST_H
#define VIV_TESTS_SUPPORT_VIV_TEST_H

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

/* Criterion, with one trap closed: a leak inside a test prints a report and still passes. VIV_TEST ends the body with
 * a leak check when the build is sanitized. */

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/lsan_interface.h>
#define VIV_TEST_LEAKS() __lsan_do_recoverable_leak_check()
#else
#define VIV_TEST_LEAKS() 0
#endif

#define VIV_TEST(suite, name, ...)                                                                                     \
    static void viv_test_body_##suite##_##name(void);                                                                  \
    Test(suite, name, ##__VA_ARGS__)                                                                                   \
    {                                                                                                                  \
        viv_test_body_##suite##_##name();                                                                              \
        cr_assert_eq(VIV_TEST_LEAKS(), 0, "the test leaks memory");                                                    \
    }                                                                                                                  \
    static void viv_test_body_##suite##_##name(void)

#endif /* VIV_TESTS_SUPPORT_VIV_TEST_H */
