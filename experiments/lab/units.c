#include "experiments/lab/units.h"

#include <stddef.h>
#include <string.h>

struct unit {
    const char *name;
    uint64_t factor;
};

static const struct unit durations[] = {{"h", UINT64_C(3600000000000)},
                                        {"min", UINT64_C(60000000000)},
                                        {"s", 1000000000},
                                        {"ms", 1000000},
                                        {"us", 1000},
                                        {"ns", 1},
                                        {NULL, 0}};
static const struct unit sizes[] = {{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"GB", 1000000000},
                                    {"MB", 1000000},  {"kB", 1000},     {"B", 1},         {NULL, 0}};
static const struct unit counts[] = {{"M", 1000000}, {"k", 1000}, {"", 1}, {NULL, 0}};
static const struct unit percents[] = {{"%", 1}, {NULL, 0}};
static const struct unit rates[] = {{"/s", 1}, {NULL, 0}};

/* Digits, at most six of them behind a point, and one of the units; the product must be a whole number. */
static bool parse(const char *text, const struct unit *units, uint64_t *value)
{
    enum { DIGITS_MAX = 15, DECIMALS_MAX = 6 };
    uint64_t number = 0;
    uint64_t divisor = 1;
    unsigned digits = 0;
    bool point = false;
    for (; (*text >= '0' && *text <= '9') || (*text == '.' && !point && digits > 0); text++) {
        if (*text == '.') {
            point = true;
            continue;
        }
        number = number * 10 + (uint64_t)(*text - '0');
        divisor *= point ? 10 : 1;
        if (++digits > DIGITS_MAX || divisor > 1000000) {
            return false;
        }
    }
    for (const struct unit *unit = units; digits > 0 && unit->name != NULL; unit++) {
        if (strcmp(text, unit->name) == 0) {
            __extension__ unsigned __int128 product = (unsigned __int128)number * unit->factor;
            if (product % divisor != 0 || product / divisor > INT64_MAX) {
                return false;
            }
            *value = (uint64_t)(product / divisor);
            return true;
        }
    }
    return false;
}

bool viv_units_duration(const char *text, uint64_t *ns)
{
    return parse(text, durations, ns);
}

bool viv_units_size(const char *text, uint64_t *bytes)
{
    return parse(text, sizes, bytes);
}

bool viv_units_count(const char *text, uint64_t *count)
{
    return parse(text, counts, count);
}

bool viv_units_percent(const char *text, uint32_t *percent)
{
    uint64_t value;
    if (!parse(text, percents, &value) || value > 100) {
        return false;
    }
    *percent = (uint32_t)value;
    return true;
}

bool viv_units_rate(const char *text, double *per_s)
{
    uint64_t value;
    if (!parse(text, rates, &value) || value == 0 || value > 100000000) {
        return false;
    }
    *per_s = (double)value;
    return true;
}
