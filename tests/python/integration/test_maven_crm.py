"""The Maven CRM export, 8,800 real-looking deals, through its mapping: the figures that its README gives."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
import yaml
from conftest import PROJECT, Build, dataset

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def built(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Build:
    folder = tmp_path_factory.mktemp("maven")
    example = PROJECT / "examples" / "maven_crm"
    mapping = yaml.safe_load((example / "mapping.yml").read_text(encoding="utf-8"))
    definitions = {
        f"definitions/{path.name}": path.read_text(encoding="utf-8") for path in (example / "definitions").iterdir()
    }
    here = {
        "data_dir": str(folder),
        "build_dir": str(folder),
        "releases_dir": str(folder / "releases"),
        "folders": [str(shared_data / "maven_crm")],
    }
    return dataset(folder, {**mapping, **here}, definitions).build()


def test_deals_and_amounts(built: Build) -> None:
    rows = built.rows("select source_stage, count(*), coalesce(sum(amount), 0) from core.opportunities group by all")
    assert {stage: (count, amount) for stage, count, amount in rows} == {
        "Won": (4238, Decimal(10_005_534)),
        "Lost": (2473, Decimal(0)),
        "Engaging": (1589, Decimal(0)),
        "Prospecting": (500, Decimal(0)),
    }


def test_prospects_are_in_no_cohort(built: Build) -> None:
    assert built.rows("select count(*) from core.journeys where is_missing_entry_date") == [(500,)]
    assert built.rows("select count(*) from marts.journey_transitions where from_stage = 'opportunity'") == [(8300,)]


def test_gates_count_the_defects(built: Build) -> None:
    rows = {
        row[:2]: row[2:]
        for row in built.rows("select subject, check_name, status, defect_count, detail from gates.gate_results")
    }
    assert rows["opportunities.product_id", "unknown_reference"] == (
        "flagged",
        1480,
        "1,480 of 8,800 opportunities name a product that is not in the products (GTXPro: 1,480)",
    )
    assert rows["opportunities.account_id", "attribute_completeness"] == (
        "flagged",
        1425,
        "7,375 of 8,800 opportunities name their account",
    )
    assert rows["opportunities.created_at", "entry_date_completeness"][:2] == ("flagged", 500)
    assert rows["sector", "completeness_by_outcome"][0] == "flagged"
    assert rows["region", "completeness_by_outcome"][0] == "pass"
    assert {row[0] for row in rows.values()} <= {"pass", "flagged", "not_applicable", "insufficient_sample"}


def test_segments_are_mended_by_rules(built: Build) -> None:
    sectors = {row[0] for row in built.rows("select distinct sector from core.journeys")}
    assert "technology" in sectors
    assert "technolgy" not in sectors
    assert built.rows(
        "select distinct product_series, deal_size_tier from core.journeys "
        "where product_id = 'GTXPro' and sector is not null"
    ) == [("GTX", "2,000 to 9,999")]


def test_closed_win_rate_is_the_one_of_the_crm(built: Build) -> None:
    (row,) = built.rows(
        "select sum(won_count), sum(qualified_count) from marts.velocity_facts "
        "where dimension = 'all' and basis = 'closed' and period_grain = 'month'"
    )
    assert row == (4238, 6711)
    assert row[0] / row[1] == pytest.approx(0.6315, abs=5e-5)


def test_the_deal_size_tier_does_not_tell_the_outcome(built: Build) -> None:
    rates = built.rows(
        "select deal_size_tier, avg((won_date is not null)::integer) from core.journeys "
        "where coalesce(won_date, lost_date) is not null group by 1 having count(*) > 100"
    )
    assert len(rates) == 3
    assert all(0.55 < rate < 0.70 for _, rate in rates)


def test_cohorts_before_the_history_are_suppressed(built: Build) -> None:
    rows = built.rows(
        "select distinct evidence, evidence_reason from marts.funnel_conversion "
        "where period_grain = 'month' and period_start < date '2017-03-01' and n > 0"
    )
    assert rows == [("suppressed", "left_truncated")]


def test_segments_missing_for_open_deals_only_are_suppressed_where_that_biases(built: Build) -> None:
    rows = built.rows(
        """
        select distinct dimension, evidence_reason
        from marts.funnel_conversion
        where period_grain = 'quarter' and period_start = date '2017-04-01' and horizon_days = 90
        and from_stage = 'opportunity' and n >= 100
        order by all
        """
    )
    reasons = {dimension: {reason for name, reason in rows if name == dimension} for dimension, _ in rows}
    assert reasons["sector"] == {"incomplete_data"}
    assert reasons["company_size"] == {"incomplete_data"}
    assert "incomplete_data" not in reasons["region"] | reasons["owner"] | reasons["product_series"]


def test_the_first_full_quarter(built: Build) -> None:
    # 2,388 deals engaged in the second quarter of 2017; 981 of them were won within 90 days: 41.1 %.
    rows = built.rows(
        """
        select entered_count, converted_count, conversion_rate, evidence from marts.funnel_conversion
        where dimension = 'all' and period_grain = 'quarter' and horizon_days = 90 and from_stage = 'opportunity'
        and period_start = date '2017-04-01'
        """
    )
    assert rows == [(2388, 981, pytest.approx(981 / 2388, abs=1e-12), "reportable")]


def test_the_release_is_of_the_last_day_of_the_file(built: Build) -> None:
    assert (built.releases / "current").resolve().name.startswith("2017-12-31-")
    assert built.rows("select as_of_date from published.release") == [(date(2017, 12, 31),)]


def test_amounts_that_tell_the_outcome_are_no_pipeline(built: Build) -> None:
    # Only won deals have an amount here: the pipeline of a past day would be that of the deals won later.
    rows = built.rows(
        "select distinct evidence_reason, caveat, closing_amount from published.pipeline_movement "
        "where scope = 'open_pipeline' and segment = 'all' and period_grain = 'quarter' "
        "and period_start >= '2017-04-01'"
    )
    assert rows == [
        (
            "incomplete_data",
            "Deals of one outcome lack an amount more often than those of another: the sums would tell the outcome",
            None,
        )
    ]
    counts = built.rows(
        "select opening_count + created_count + reopened_count - won_count - lost_count - closing_count "
        "from published.pipeline_movement where scope = 'open_pipeline'"
    )
    assert set(counts) == {(0,)}
