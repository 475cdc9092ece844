#ifndef VIV_TESTS_SUPPORT_VIV_TEST_H
#define VIV_TESTS_SUPPORT_VIV_TEST_H

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

/* Criterion, with two traps closed. A leak inside a test prints a report and still passes: VIV_TEST ends the body with
 * a leak check when the build is sanitized. And Criterion's own process, in which no test runs, may leak when workers
 * end at once: it is not asked about leaks any more when all tests have ended. */

/* Not 0 when something has leaked so far; always 0 without sanitizers. */
int viv_test_leaks(void);

#define VIV_TEST(suite, name, ...)                                                                                     \
    static void viv_test_body_##suite##_##name(void);                                                                  \
    Test(suite, name, ##__VA_ARGS__)                                                                                   \
    {                                                                                                                  \
        viv_test_body_##suite##_##name();                                                                              \
        cr_assert_eq(viv_test_leaks(), 0, "the test leaks memory");                                                    \
    }                                                                                                                  \
    static void viv_test_body_##suite##_##name(void)

#endif /* VIV_TESTS_SUPPORT_VIV_TEST_H */
