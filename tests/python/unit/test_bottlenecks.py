"""Bottlenecks: both halves are the page's contrasts in the unit of the loss."""

import datetime

import numpy as np
import pyarrow as pa
import pytest
from segment_signals.funnel.bottlenecks import funnel_bottlenecks
from segment_signals.funnel.contrasts import SCHEMA

pytestmark = pytest.mark.filterwarnings("error")

CELL = {"period_grain": "quarter", "period_start": datetime.date(2025, 1, 1), "dimension": "region", "segment": "EMEA"}


def contrast(metric: str, n: int, difference: float | None, is_signal: bool, evidence: str, **more: object) -> dict:
    row: dict[str, object] = dict.fromkeys(SCHEMA.names)
    row |= CELL | {"metric": metric, "comparator": "rest", "n": n, "is_signal": is_signal, "evidence": evidence} | more
    if difference is not None:
        row |= {"difference": difference, "low": difference - 0.1, "high": difference + 0.1}
    return row


def test_each_half_has_the_signal_and_evidence_of_its_own_contrast() -> None:
    inputs = pa.Table.from_pylist(
        [
            CELL
            | {
                "from_stage": stage,
                "to_stage": after,
                "metric": f"{stage}_to_{after}_rate",
                "onward_rate": onward,
                "stage_days_metric": days,
                "rest_days_plus_one": rest,
            }
            for stage, after, onward, days, rest in (
                ("lead", "mql", 0.05, "lead_stage_days", 11.0),
                ("mql", "sql", 0.1, "mql_stage_days", 8.0),
                ("sql", "opportunity", 0.5, None, None),
                ("opportunity", "won", 1.0, None, None),
            )
        ]
    )
    contrasts = pa.Table.from_pylist(
        [
            contrast("lead_to_mql_rate", 400, -0.2, True, "reportable"),
            contrast("mql_to_sql_rate", 90, -0.3, False, "directional", evidence_reason="insufficient_sample"),
            contrast("sql_to_opportunity_rate", 30, 0.1, False, "directional"),
            contrast("opportunity_to_won_rate", 25, None, False, "suppressed"),
            contrast("lead_stage_days", 380, 0.5, True, "reportable"),
            contrast("mql_stage_days", 12, None, False, "suppressed", evidence_reason="insufficient_sample"),
            # Another comparator is another question.
            contrast("lead_to_mql_rate", 400, 0.9, True, "reportable") | {"comparator": "APAC"},
        ],
        schema=SCHEMA,
    )
    got = {row["from_stage"]: row for row in funnel_bottlenecks(inputs, contrasts).to_pylist()}
    lead, mql, sql = got["lead"], got["mql"], got["sql"]
    assert lead["converted_difference"] == pytest.approx(-80)
    assert (lead["converted_low"], lead["converted_high"]) == pytest.approx((-120, -40))
    assert [row["won_difference"] for row in (lead, mql, sql)] == pytest.approx([-4, -2.7, 1.5])
    assert [row["conversion_rank"] for row in (lead, mql, sql)] == [1, 2, 3]
    # Half as long again as the rest's typical 11 days (plus one).
    assert lead["stage_days_difference"] == pytest.approx(5.5)
    assert (lead["stage_days_low"], lead["stage_days_high"]) == pytest.approx((4.4, 6.6))
    assert (lead["is_signal"], lead["is_stage_days_signal"], lead["stage_days_n"]) == (True, True, 380)
    # The conversions of a stage may be told where its days may not, and the reverse.
    assert (mql["evidence"], mql["stage_days_evidence"], mql["stage_days_evidence_reason"]) == (
        "directional",
        "suppressed",
        "insufficient_sample",
    )
    assert (mql["n"], mql["stage_days_n"]) == (90, 12)
    for row in (mql, sql):
        assert row["stage_days_difference"] is None
        assert row["stage_days_rank"] is None
        assert row["is_stage_days_signal"] is False
    assert sql["stage_days_evidence"] is None
    assert not np.isnan(sql["converted_difference"])
