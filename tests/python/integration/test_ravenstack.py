"""The RavenStack example: subscriptions, usage, tickets and churn events that contradict each other."""

from pathlib import Path

import pytest
import yaml
from conftest import PROJECT, Build, dataset

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def built(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Build:
    folder = tmp_path_factory.mktemp("ravenstack")
    example = PROJECT / "examples" / "ravenstack"
    mapping = yaml.safe_load((example / "mapping.yml").read_text(encoding="utf-8"))
    definitions = {
        f"definitions/{path.name}": path.read_text(encoding="utf-8") for path in (example / "definitions").iterdir()
    }
    here = {
        "data_dir": str(folder),
        "build_dir": str(folder),
        "releases_dir": str(folder / "releases"),
        "folders": [str(shared_data / "ravenstack_saas")],
    }
    return dataset(folder, {**mapping, **here}, definitions).build()


@pytest.fixture(scope="module")
def verdicts(built: Build) -> dict[tuple[str, str], tuple[str, int, int]]:
    rows = built.rows("select subject, check_name, status, row_count, defect_count from gates.gate_results")
    return {(subject, check): (status, count, defects) for subject, check, status, count, defects in rows}


@pytest.mark.parametrize(
    ("entity", "count"),
    [
        ("accounts", 500),
        ("subscriptions", 5000),
        ("product_usage", 25000),
        ("support_tickets", 2000),
        ("churn_events", 600),
    ],
)
def test_every_row_is_kept(
    built: Build, verdicts: dict[tuple[str, str], tuple[str, int, int]], entity: str, count: int
) -> None:
    assert verdicts[entity, "row_conservation"] == ("pass", count, 0)
    assert built.rows(f"select count(*), count(*) filter (where is_disqualified) from core.{entity}") == [(count, 0)]
    assert built.rows(f"select count(*) from staging.stg_export__{entity}") == [(count,)]


@pytest.mark.parametrize(
    ("subject", "check", "defects"),
    [
        ("accounts.is_churned", "contradictory_churn", 312),
        ("churn_events.churn_date", "contradictory_churn", 469),
        ("subscriptions", "overlapping_subscriptions", 1161),
        ("product_usage.before_subscription", "event_order", 19142),
        ("product_usage.after_subscription", "event_order", 290),
        ("product_usage.usage_id", "repeated_ids", 21),
        ("support_tickets.submitted_at", "event_order", 1077),
    ],
)
def test_what_contradicts_itself_is_flagged(
    verdicts: dict[tuple[str, str], tuple[str, int, int]], subject: str, check: str, defects: int
) -> None:
    status, _, count = verdicts[subject, check]
    assert (status, count) == ("flagged", defects)


def test_the_two_stories_of_churn(built: Build) -> None:
    """110 flagged, 352 with events, 75 in both; 61 of the events are reactivations."""
    assert built.rows(
        """
        select
            count(*) filter (where is_churned),
            count(events.account_id),
            count(*) filter (where is_churned and events.account_id is not null)
        from core.accounts
        left join (select distinct account_id from core.churn_events) as events using (account_id)
        """
    ) == [(110, 352, 75)]
    assert built.rows("select count(*) filter (where is_reactivation) from core.churn_events") == [(61,)]


def test_nothing_is_blocked_and_the_rest_is_at_peace(verdicts: dict[tuple[str, str], tuple[str, int, int]]) -> None:
    assert {status for status, _, _ in verdicts.values()} <= {
        "pass",
        "flagged",
        "not_applicable",
        "insufficient_sample",
    }
    flagged = {check for (_, check), (status, _, _) in verdicts.items() if status == "flagged"}
    assert flagged == {
        "contradictory_churn", "event_order", "model_refused", "overlapping_subscriptions", "repeated_ids",
        "table_completeness",
    }  # fmt: skip


def test_churn_that_cannot_be_learned_ranks_nobody(built: Build) -> None:
    ((status, reason, caveat),) = built.rows("select status, reason, caveat from signals.churn_models")
    assert (status, reason) == ("refused", "no_skill")
    assert caveat.startswith("Out of time the model is not above the base rate: log loss skill ")
    assert built.rows("select count(*), count(probability), min(reason) from published.churn_risk") == [
        (500, 0, "no_skill")
    ]


def test_revenue_follows_the_subscriptions(built: Build) -> None:
    """What runs at the end is the sum over the file: paid, started and not ended."""
    running = built.rows(
        "select sum(mrr_amount) * 12 from staging.stg_export__subscriptions where not is_trial and ended_date is null"
    )
    assert running == built.rows(
        "select closing_arr_amount from published.revenue_retention where dimension = 'all' "
        "and period_grain = 'quarter' and window_name = 'period' and period_start = '2024-10-01'"
    )


def test_the_release_is_of_the_last_day_of_the_files(built: Build) -> None:
    assert (built.releases / "current").resolve().name.startswith("2024-12-31-")
