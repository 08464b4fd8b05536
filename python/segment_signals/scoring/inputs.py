"""The marts of the scores as arrays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from segment_signals.learning import CATEGORY, NUMBER, Columns, Examples, Feature, columns_of
from segment_signals.learning.days import days_of
from segment_signals.learning.examples import name_hashes
from segment_signals.statistics.arrays import Bools, Integers

# Columns of lead_features that are no features.
KEYS = frozenset({"snapshot_date", "person_id", "split_group", "account_id", "outcome", "is_dated"})
NO_GROUP = "other"


@dataclass(frozen=True)
class FeatureTable:
    """Rows of lead_features, sorted by score date and person; `features` are those that the table holds."""

    rows: pa.Table
    features: tuple[Feature, ...]
    labels: Mapping[str, str]

    @property
    def at(self) -> Integers:
        """Score date (n,), days since 1970-01-01."""
        return days_of(self.rows["snapshot_date"])

    @property
    def is_dated(self) -> bool:
        """Whether leads have dates; a list without any is scored out of fold."""
        return bool(pc.any(self.rows["is_dated"]).as_py()) if self.rows.num_rows else True

    def where(self, mask: Bools) -> "FeatureTable":
        """The rows of a mask."""
        return FeatureTable(self.rows.filter(pa.array(mask)), self.features, self.labels)

    def columns(self) -> Columns:
        """The features' columns."""
        return columns_of(self.rows, self.features)

    def examples(self) -> Examples:
        """Examples of these rows; a person and a group have the same number whatever other rows there are."""
        return Examples(
            name_hashes(self.rows["person_id"]),
            name_hashes(self.rows["split_group"]),
            self.at,
            self.rows["outcome"].cast(pa.float64()).to_numpy(),
            self.columns(),
        )


def feature_table(rows: pa.Table, seed: Sequence[tuple[str, str, str, str, str | None]]) -> FeatureTable:
    """The mart lead_features with what the seed score_features says: feature, label, group, kind, known.

    Columns that the seed does not name are features of the group `other`, of which nobody has said when they are known.
    """
    named = {name: (label, group, kind, known) for name, label, group, kind, known in seed}
    features, labels = [], {}
    for field in rows.schema:
        if field.name in KEYS:
            continue
        is_text = pa.types.is_string(field.type) or pa.types.is_large_string(field.type)
        label, group, kind, known = named.get(field.name, (field.name, NO_GROUP, "", None))
        # Text that the seed calls a number was not read as one: its kind is what the column is.
        features.append(Feature(field.name, group, CATEGORY if is_text else kind or NUMBER, known))
        labels[field.name] = label
    rows = rows.sort_by([("snapshot_date", "ascending"), ("person_id", "ascending")])
    return FeatureTable(rows, tuple(features), labels)


@dataclass(frozen=True)
class Calendar:
    """The mart lead_calendar: of each score date whether it is current, a month end, told, and its day of training."""

    at: Integers
    is_current: Bools
    is_month_end: Bools
    is_scored: Bools
    trained_on: Integers
    horizon_days: int

    @property
    def training_days(self) -> list[int]:
        """Days of training of the score dates that are told, oldest first."""
        return sorted({int(day) for day in self.trained_on[self.is_scored]})

    def model_day(self, at: int) -> int:
        """Day of training of the model in force on a score date."""
        return int(self.trained_on[np.flatnonzero(self.at == at)[0]])


def calendar_of(table: pa.Table) -> Calendar:
    """The calendar, oldest score date first."""
    rows = table.sort_by("snapshot_date")

    def flag(name: str) -> Bools:
        return np.asarray(rows[name].to_numpy(zero_copy_only=False), dtype=bool)

    return Calendar(
        days_of(rows["snapshot_date"]),
        flag("is_current"),
        flag("is_month_end"),
        flag("is_scored"),
        days_of(rows["trained_on_date"]),
        int(rows["horizon_days"][0].as_py()),
    )
