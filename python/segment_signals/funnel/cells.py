"""What the signals of the funnel share: cells as arrays, codes of groups, evidence."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import pyarrow as pa

from segment_signals.statistics.arrays import Bools, Floats, Integers

CELL = ["period_grain", "period_start", "dimension", "segment"]
CELL_FIELDS = [
    ("period_grain", pa.string()),
    ("period_start", pa.date32()),
    ("dimension", pa.string()),
    ("segment", pa.string()),
]
EVIDENCE_FIELDS = [
    ("n", pa.int64()),
    ("evidence", pa.string()),
    ("evidence_reason", pa.string()),
    ("caveat", pa.string()),
]


def numbers(cells: pd.DataFrame, column: str) -> Floats:
    """A column as floats, NaN where it is null, shape (k,)."""
    values: Floats = cells[column].to_numpy(dtype=np.float64, na_value=np.nan)
    return values


def codes(cells: pd.DataFrame, columns: Sequence[str]) -> Integers:
    """Codes 0 .. groups - 1 of the rows that agree in the columns, shape (k,)."""
    group = cells.groupby(list(columns), sort=True, dropna=False).ngroup()
    return np.asarray(group, dtype=np.int64)


def with_evidence(
    cells: pd.DataFrame,
    suppressed_reason: "pd.Series[str]",
    directional_reason: "pd.Series[str]",
    caveats: Mapping[str, str],
) -> pd.DataFrame:
    """The cells with evidence, evidence_reason and caveat; a missing reason means that it does not apply.

    Args:
        cells: k rows.
        suppressed_reason: why a cell is suppressed, k rows.
        directional_reason: why a cell that is not suppressed is directional, k rows.
        caveats: of the reasons, the seed `evidence_reasons`.
    """
    suppressed: Bools = suppressed_reason.notna().to_numpy()
    reason = suppressed_reason.where(suppressed, directional_reason)
    return cells.assign(
        evidence=np.select([suppressed, reason.notna()], ["suppressed", "directional"], default="reportable"),
        evidence_reason=reason,
        caveat=reason.map(caveats),
    )


def table(cells: pd.DataFrame, schema: pa.Schema) -> pa.Table:
    """The columns of the schema as an Arrow table, with its types also where there are no rows."""
    return pa.Table.from_pandas(cells[schema.names], schema=schema, preserve_index=False)
