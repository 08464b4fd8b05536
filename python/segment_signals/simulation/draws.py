"""Random draws built from uniforms alone.

numpy keeps the raw stream of PCG64 and the uniforms stable across versions, but not its other distributions
(NEP 19). A simulated world must come out the same under any version, so normals, choices and counts are made
here.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

# One independent stream per part, so that changing one part does not move another.
# New streams go to the end: earlier ones keep their numbers.
STREAMS = (
    "companies",
    "population",
    "journeys",
    "leads",
    "deals",
    "follow_ups",
    "customers",
    "usage",
    "people",
    "owners",
    "salesforce",
    "activities",
    "hubspot",
    "stripe",
    "product",
    "touches",
    "defects",
)


def streams(seed: int) -> dict[str, np.random.Generator]:
    """Independent PCG64 generators by part, all from one non-negative seed."""
    children = np.random.SeedSequence(seed).spawn(len(STREAMS))
    return {name: np.random.Generator(np.random.PCG64(child)) for name, child in zip(STREAMS, children, strict=True)}


def normals(rng: np.random.Generator, count: int) -> Floats:
    """Standard normals (count,), by Box and Muller (1958)."""
    # 1 - u lies in (0, 1], so the logarithm is finite.
    radius = np.sqrt(-2.0 * np.log(1.0 - rng.random(count)))
    return np.asarray(radius * np.cos(2.0 * np.pi * rng.random(count)), dtype=np.float64)


def choices(rng: np.random.Generator, shares: Sequence[float] | Floats, count: int) -> Ints:
    """Indexes (count,) into `shares`, drawn with probabilities proportional to them."""
    return pick(rng.random(count), shares)


def pick(uniforms: Floats, shares: Sequence[float] | Floats) -> Ints:
    """Indexes into `shares` that uniforms fall on, with probabilities proportional to the shares."""
    cumulative = np.cumsum(np.asarray(shares, dtype=np.float64))
    index = np.searchsorted(cumulative, uniforms * cumulative[-1], side="right")
    return np.asarray(np.minimum(index, len(cumulative) - 1), dtype=np.int64)


def integers(rng: np.random.Generator, low: int, high: int, count: int) -> Ints:
    """Whole numbers (count,) from `low` to `high`, both included."""
    return np.floor(low + rng.random(count) * (high - low + 1)).astype(np.int64)


def happens(rng: np.random.Generator, rate: float | Floats, count: int) -> Bools:
    """Booleans (count,), true with probability `rate`."""
    return np.asarray(rng.random(count) < rate, dtype=np.bool_)


def counts(rng: np.random.Generator, mean: float, count: int) -> Ints:
    """Poisson numbers (count,) with one mean, by inversion; the mean must be below 50."""
    term, terms = np.exp(-mean), []
    for k in range(int(mean + 12 * np.sqrt(mean) + 12)):
        terms.append(term)
        term *= mean / (k + 1)
    return np.asarray(np.searchsorted(np.cumsum(terms), rng.random(count), side="right"), dtype=np.int64)


def repeat_index(times: Ints) -> Ints:
    """Each position as often as `times` says: [2, 0, 1] gives [0, 0, 2]."""
    return np.repeat(np.arange(len(times), dtype=np.int64), times)
