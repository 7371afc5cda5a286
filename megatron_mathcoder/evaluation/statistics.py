"""What a score of few items is worth: intervals and paired tests.

Decides: Wilson's interval for a share, McNemar's exact test for two models on the same items.
Does not: round or print. Sources: Wilson, JASA 22 (1927) 209; McNemar, Psychometrika 12 (1947) 153, in its exact binomial form.
"""

import math

Z_95 = 1.959963984540054


def wilson(right: int, total: int) -> tuple[float, float]:
    """Return the 95 % interval of a share of ``right`` in ``total``, both ends in [0, 1]; the whole range for no items."""
    if total == 0:
        return 0.0, 1.0
    share = right / total
    scale = 1 + Z_95**2 / total
    middle = (share + Z_95**2 / (2 * total)) / scale
    half = Z_95 / scale * math.sqrt(share * (1 - share) / total + Z_95**2 / (4 * total**2))
    return max(0.0, middle - half), min(1.0, middle + half)


def mcnemar_exact(only_first: int, only_second: int) -> float:
    """Return the two-sided p-value that two models differ, from the items that one of them alone got right."""
    total = only_first + only_second
    if total == 0:
        return 1.0
    # Integers of any length: 2^-1074 is the least double, and benchmarks have thousands of items.
    tail = sum(math.comb(total, k) for k in range(min(only_first, only_second) + 1))
    return min(1.0, 2 * tail / 2**total)
