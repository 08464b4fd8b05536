"""The array types of this library, and the two operations that must stay silent on empty cells."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Bools = NDArray[np.bool_]


def floats(values: ArrayLike) -> Floats:
    """`values` as an array of doubles."""
    return np.asarray(values, dtype=np.float64)


def ratio(numerator: ArrayLike, denominator: ArrayLike) -> Floats:
    """Numerator over denominator, broadcast; NaN where the denominator is 0 or NaN."""
    top, bottom = np.broadcast_arrays(floats(numerator), floats(denominator))
    result: Floats = np.full(top.shape, np.nan)
    np.divide(top, bottom, out=result, where=(bottom != 0) & ~np.isnan(bottom))
    return result


def root(values: ArrayLike) -> Floats:
    """Square root; NaN where the value is negative or NaN."""
    whole = floats(values)
    result: Floats = np.full(whole.shape, np.nan)
    np.sqrt(whole, out=result, where=whole >= 0)
    return result


def group_count(group: Integers) -> int:
    """Number of groups, given codes 0 .. groups - 1; 0 for no codes."""
    return int(group.max()) + 1 if len(group) else 0


def group_sum(values: Floats, group: Integers, groups: int) -> Floats:
    """Sums of `values` (k,) by group code 0 .. groups - 1, shape (groups,); 0 for an empty group."""
    return np.bincount(group, weights=values, minlength=groups).astype(np.float64)
