#ifndef VIV_BASE_ASSERT_H
#define VIV_BASE_ASSERT_H

/* Assertions are on in every build; they state what our own code must never do. Bytes from outside (wire, disk,
 * configuration) are checked, never asserted. VIV_ASSERT_SLOW (worse than O(1)) needs --enable-verify. */

#define VIV_ASSERT(expr) ((expr) ? (void)0 : viv_assert_failed(#expr, __FILE__, __LINE__))

#ifdef VIV_VERIFY
#define VIV_ASSERT_SLOW(expr) VIV_ASSERT(expr)
#else
#define VIV_ASSERT_SLOW(expr) ((void)sizeof(expr))
#endif

/* Logs the place and aborts. */
_Noreturn void viv_assert_failed(const char *expr, const char *file, int line);

/* Running out of memory ends the process by policy: the replica is restarted, the ensemble is the retry. */
_Noreturn void viv_out_of_memory(unsigned long long wanted_bytes);

#endif /* VIV_BASE_ASSERT_H */
