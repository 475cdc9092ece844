"""Medians and their bootstrap intervals, without any library.

The bootstrap of a median over few trials need not be drawn at random: all resamples can be counted. Up to EXACT_MAX
values the distribution is exact; above, it is RESAMPLES draws of a generator with a fixed seed. Intervals are
percentile intervals. With three or five trials the 95 % interval is the whole range: so few cannot say less.
"""

import math
import random
from itertools import combinations_with_replacement

EXACT_MAX = 8
RESAMPLES = 10000
SEED = 20261121
LEVEL = 0.95


def median(values):
    ordered = sorted(values)
    middle = len(ordered) // 2
    if not ordered:
        raise ValueError("no values")
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def _exact(values):
    count = len(values)
    distribution = {}
    for chosen in combinations_with_replacement(range(count), count):
        ways = math.factorial(count)
        for index in set(chosen):
            ways //= math.factorial(chosen.count(index))
        key = median([values[index] for index in chosen])
        distribution[key] = distribution.get(key, 0) + ways / count**count
    return distribution


def _drawn(values):
    generator = random.Random(SEED)
    distribution = {}
    for _ in range(RESAMPLES):
        key = median(generator.choices(values, k=len(values)))
        distribution[key] = distribution.get(key, 0) + 1 / RESAMPLES
    return distribution


def median_distribution(values):
    """The bootstrap distribution of the median: {median: probability}."""
    return _exact(values) if len(values) <= EXACT_MAX else _drawn(values)


def _quantile(distribution, share):
    """The smallest value with at least that share at or below it."""
    reached = 0.0
    for value in sorted(distribution):
        reached += distribution[value]
        if reached >= share - 1e-12:
            return value
    return max(distribution)


def _interval(distribution):
    tail = (1 - LEVEL) / 2
    return _quantile(distribution, tail), _quantile(distribution, 1 - tail)


def median_interval(values):
    """(low, high) of the median."""
    return _interval(median_distribution(values))


def ratio_interval(values, base):
    """(low, high) of median(values) / median(base), the two being independent."""
    ratios = {}
    for above, p in median_distribution(values).items():
        for below, q in median_distribution(base).items():
            if below > 0:
                ratios[above / below] = ratios.get(above / below, 0) + p * q
    return _interval(ratios) if ratios else (math.nan, math.nan)
