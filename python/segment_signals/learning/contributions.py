"""Rows of `score_contributions`: what each score is made of."""

from collections.abc import Mapping
from datetime import date

import pyarrow as pa

from segment_signals.statistics.arrays import Floats

CONTRIBUTIONS_SCHEMA = pa.schema(
    [
        ("as_of_date", pa.date32()),
        ("model_version", pa.string()),
        ("entity_id", pa.string()),
        ("feature_group", pa.string()),
        ("contribution", pa.float64()),
    ]
)


def contribution_rows(as_of: date, model_version: str, entity_ids: pa.Array, blocks: Mapping[str, Floats]) -> pa.Table:
    """One row per entity (n,) and block (n,): table of `CONTRIBUTIONS_SCHEMA`."""
    n = len(entity_ids)
    parts = [
        pa.table(
            [
                pa.array([as_of] * n, pa.date32()),
                pa.array([model_version] * n, pa.string()),
                entity_ids,
                pa.array([group] * n, pa.string()),
                pa.array(block, pa.float64()),
            ],
            schema=CONTRIBUTIONS_SCHEMA,
        )
        for group, block in blocks.items()
    ]
    return pa.concat_tables(parts) if parts else CONTRIBUTIONS_SCHEMA.empty_table()
