"""What models learn from: features, columns, examples, and the rules of learning."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from segment_signals.statistics.arrays import Bools, Floats, Integers

NUMBER, CATEGORY = "number", "category"
AT_SCORE_TIME, AFTER_OUTCOME = "score_time", "after_outcome"


@dataclass(frozen=True)
class Feature:
    """A feature: its name, the group that its contribution is told in, `number` or `category`, and when it is known.

    `known`: `score_time` (it was known at the landmark), `after_outcome` (written later: never learned from), or NULL
    (nobody has said: the leakage alarm looks at its name).
    """

    name: str
    feature_group: str
    kind: str = NUMBER
    known: str | None = AT_SCORE_TIME


@dataclass(frozen=True)
class Categories:
    """A column of text: codes (n,) into the levels, -1 where there is none."""

    codes: Integers
    levels: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.codes)

    def take(self, rows: Integers) -> "Categories":
        """The rows at these positions."""
        return Categories(self.codes[rows], self.levels)


Column = Floats | Categories
Columns = Mapping[str, Column]


def categories(values: pa.Array | pa.ChunkedArray) -> Categories:
    """A column of text as codes; levels in the order of the alphabet, blanks count as none."""
    text = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    encoded = pc.dictionary_encode(text.cast(pa.string()))
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    levels = encoded.dictionary.to_pylist()
    order = sorted(range(len(levels)), key=lambda at: levels[at])
    rank = np.empty(len(levels) + 1, dtype=np.int64)
    rank[order] = np.arange(len(levels))
    rank[-1] = -1
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    found = Categories(rank[codes], tuple(levels[at] for at in order))
    if found.levels and not found.levels[0].strip():
        return Categories(np.where(found.codes == 0, -1, found.codes - 1), found.levels[1:])
    return found


def columns_of(table: pa.Table, features: Sequence[Feature]) -> dict[str, Column]:
    """The features' columns of a table, in the features' kinds: numbers with NaN for NULL, text as `Categories`."""
    found: dict[str, Column] = {}
    for feature in features:
        column = table[feature.name]
        if feature.kind == CATEGORY:
            found[feature.name] = categories(column)
        else:
            values = column.cast(pa.float64()).to_numpy()
            found[feature.name] = np.where(np.isfinite(values), values, np.nan)
    return found


def take(columns: Columns, rows: Integers) -> dict[str, Column]:
    """The columns at these positions."""
    return {
        name: column.take(rows) if isinstance(column, Categories) else column[rows] for name, column in columns.items()
    }


def name_hashes(names: pa.ChunkedArray) -> Integers:
    """A number (n,) of each name, of the name alone: 63 bits of its hash. A row without a name is its own."""
    encoded = names.combine_chunks().cast(pa.string()).dictionary_encode()
    levels = encoded.dictionary.to_pylist()
    hashes = [int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big") >> 1 for name in levels]
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    found: Integers = np.append(np.array(hashes, dtype=np.int64), 0)[codes]
    alone = np.flatnonzero(codes < 0)
    found[alone] = -1 - alone
    return found


@dataclass(frozen=True)
class Examples:
    """Rows to learn from: one per entity and landmark.

    entity, group: codes (n,). at: landmark (n,), days since 1970-01-01. label: (n,) 1, 0 or NaN. columns: features.
    """

    entity: Integers
    group: Integers
    at: Integers
    label: Floats
    columns: Columns

    def __len__(self) -> int:
        return len(self.label)

    def take(self, rows: Integers) -> "Examples":
        """The rows at these positions."""
        return Examples(self.entity[rows], self.group[rows], self.at[rows], self.label[rows], take(self.columns, rows))

    def where(self, mask: Bools) -> "Examples":
        """The rows of a mask."""
        return self.take(np.flatnonzero(mask))


@dataclass(frozen=True)
class Target:
    """What is predicted of whom.

    model_name: of the registry. title: of the card. record: what has a score, outcome: what may come of it, both in
    the singular ("lead", "conversion"). predicate: the outcome as a verb ("reaches the stage won"), within
    horizon_days. labels: what each feature is, in words.
    """

    model_name: str
    title: str
    record: str
    outcome: str
    predicate: str
    horizon_days: int
    definitions_hash: str
    labels: Mapping[str, str]


@dataclass(frozen=True)
class Refusal:
    """Why there is no model: a code, and a sentence that names what was found."""

    code: str
    sentence: str


@dataclass(frozen=True)
class Rules:
    """The rows `model_*` of the thresholds seed; see their comments there."""

    minimum_entities: int = 1000
    minimum_conversions: int = 120
    minimum_slice_outcomes: int = 20
    test_share: float = 0.25
    calibration_share: float = 0.25
    isotonic_rows: int = 1000
    leakage_auc: float = 0.9
    minimum_level_rows: int = 30
    maximum_levels: int = 40
    maximum_training_rows: int = 150000
    folds: int = 5

    @classmethod
    def of(cls, thresholds: Mapping[str, float]) -> "Rules":
        """The rules of the rows `model_<rule>`; what has no row keeps its default."""
        given = {name: thresholds[f"model_{name}"] for name in cls.__annotations__ if f"model_{name}" in thresholds}
        shares = ("test_share", "calibration_share", "leakage_auc")
        return cls(**{name: value if name in shares else int(value) for name, value in given.items()})  # type: ignore[arg-type]
