"""The smaller version of `make certify`: the same worlds, fewer of them, verdicts with 4 standard errors of slack."""

from importlib import import_module
from pathlib import Path

import duckdb
import numpy as np
import pytest

from certification import changes, contrasts, demo, incidence, pages
from certification.engine import Warehouse, dbt
from certification.study import document
from certification.targets import Measurement, Target, exact, markdown, mean, share


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    folder: Path = tmp_path_factory.mktemp("certification")
    dbt(folder, "compile")
    return Warehouse(folder)


@pytest.mark.parametrize(
    ("topic", "scale", "at_least"),
    [
        ("incidence", 0.04, 8),
        ("contrasts", 0.015, 13),
        ("changes", 0.1, 12),
        ("anomalies", 0.03, 8),
        ("velocity", 0.1, 5),
        pytest.param("levers", 0.1, 2, marks=pytest.mark.long),
        pytest.param("forecast", 0.05, 9, marks=pytest.mark.long),
        ("scoring", 0.1, 15),
    ],
)
def test_targets_are_met(warehouse: Warehouse, topic: str, scale: float, at_least: int) -> None:
    targets: list[Target] = import_module(f"certification.{topic}").certify(warehouse, scale)
    missed = [target.what for target in targets if not target.is_met(slack=4)]
    assert not missed, markdown(targets)
    assert sum(not target.is_information for target in targets) >= at_least


def test_a_wrong_estimator_would_be_missed(warehouse: Warehouse) -> None:
    targets = incidence._bias_targets(warehouse, np.random.default_rng(1), 60)
    of_created = next(target for target in targets if target.what == "bias of won / created")
    judged = Target("", "", of_created.measured, -0.005, 0.005)
    assert not judged.is_met(slack=4)


def test_a_wrong_error_control_would_be_missed(warehouse: Warehouse) -> None:
    inputs = contrasts.page_inputs(warehouse, np.random.default_rng(1), 4, pages.Design())
    cells = contrasts.judged(warehouse, inputs, pages.Design())
    uncontrolled = cells.assign(is_signal=cells["p_value"] <= 0.05)
    assert not Target("", "", share(contrasts.any_claim(uncontrolled, "is_signal")), upper=0.05).is_met(slack=4)


def test_verdicts_by_hand() -> None:
    measured = Measurement(0.07, 0.011, 0.048, 0.092)
    assert not Target("", "", measured, upper=0.05).is_met()
    # 0.05 + 2 x 0.011 = 0.072
    assert Target("", "", measured, upper=0.05, slack=2).is_met()
    assert Target("", "", measured, lower=0.08, slack=1).is_met()
    assert not Target("", "", measured, lower=0.09, slack=1).is_met()
    assert Target("", "", measured).is_met()
    assert Target("", "pages", measured, upper=0.05, slack=2).cells() == [
        "pages",
        "at most 5.0 % (+ 2 SE)",
        "7.0 %",
        "4.8 % to 9.2 %",
        "met",
    ]


def test_measurements_by_hand() -> None:
    # 2 of 8: Wilson's interval with z = 1.96 is 7.15 % to 59.07 %; the error is sqrt(0.25 x 0.75 / 8).
    found = share([True, True, *6 * [False]])
    assert (found.value, found.low, found.high) == pytest.approx((0.25, 0.0715, 0.5907), abs=1e-4)
    assert found.error == pytest.approx(0.15309, abs=1e-5)
    # 1, 2, 3: mean 2, standard deviation 1, error 1 / sqrt 3.
    assert mean([1, 2, 3, np.nan]).error == pytest.approx(0.57735, abs=1e-5)
    assert np.isnan(mean([5.0]).value)


def test_the_page_names_what_was_missed() -> None:
    text = document([Target("1. A", "fine", exact(0.5), upper=1), Target("1. A", "bad", exact(2.0), upper=1)])
    assert "1 of 2 targets met." in text
    assert "- missed: bad" in text
    assert "| bad | at most 100.0 % | 200.0 % | 200.0 % to 200.0 % | MISSED |" in text


def test_truth_of_a_world_by_hand() -> None:
    # Log-normal with median 40 and spread 0.8: ln(91 / 40) / 0.8 = 1.0274 deviates, of which 84.79 % lie below.
    world = incidence.World(100, 0.5, incidence.Speed(40, 0.8), incidence.Speed(60, 0.8))
    assert incidence.truth(world, 90) == pytest.approx(0.5 * 0.8479, abs=1e-4)


def test_the_grid_has_the_rates_that_it_says() -> None:
    for rate, world in incidence._grid():
        assert incidence.truth(world, 90) == pytest.approx(rate, abs=1e-12)
        assert world.eventual_rate <= 1


def test_planted_changes_by_hand() -> None:
    # 4 segments, shares 10 to 40 % turned round: the total falls from 40 % to 25 %, a rise of 6 points to 31 %.
    (change,) = changes.SIMPSON
    totals = [np.dot(shares, rates) for shares, rates in zip(change.shares, change.rates, strict=True)]
    assert totals == pytest.approx([0.40, 0.31])


def test_null_segments_of_a_planted_page_are_null() -> None:
    journeys = pages.simulate(np.random.default_rng(2), 40, contrasts.PLANTED)
    is_deal = ~np.isnat(journeys.dates["opportunity"])
    is_won = ~np.isnat(journeys.dates["won"])
    source = journeys.segments["lead_source"]
    rates = [is_won[is_deal & (source == code)].mean() for code in range(3)]
    # 30 % each, 12 points up in the first, down in the second; some 10,000 deals each.
    assert rates == pytest.approx([0.42, 0.18, 0.30], abs=0.02)
    assert contrasts.PLANTED.is_planted("lead_source", "Trade show", "opportunity_to_won_rate")
    assert not contrasts.PLANTED.is_planted("lead_source", "Segment 03", "opportunity_to_won_rate")


def test_reading_of_a_planted_effect_by_hand() -> None:
    connection = duckdb.connect()
    connection.execute(
        """
        create schema signals;
        create table signals.segment_contrasts as select * from (values
            ('region', 'Asia Pacific', 'rest', 'quarter', 'm', date '2025-01-01', -0.02, 0.4, false, 'difference'),
            ('region', 'Asia Pacific', 'rest', 'quarter', 'm', date '2025-04-01', 0.04, 0.001, true, 'difference'),
            ('region', 'Asia Pacific', 'rest', 'quarter', 'm', date '2025-07-01', -0.20, 0.0, true, 'difference'),
            ('region', 'Asia Pacific', 'rest', 'quarter', 'm', date '2025-10-01', null, null, false, 'difference'),
            ('region', 'Asia Pacific', 'Europe', 'quarter', 'm', date '2025-07-01', 0.9, 0.0, true, 'difference'),
            ('region', 'Europe', 'rest', 'quarter', 'm', date '2025-07-01', 0.9, 0.0, true, 'difference')
        ) as rows (
            dimension, segment, comparator, period_grain, metric, period_start, difference, p_value, is_signal, unit
        )
        """
    )
    lines = demo._readings(connection, ("region", "Asia Pacific"), (("m", -1),), "2025-07-01")
    assert lines[2:] == [
        "| m, before 2025-07-01 | as the rest | 1 of 2 |  | +1.0 points |",
        "| m, from 2025-07-01 on | below the rest | 1 of 1 | 1 | -20.0 points |",
    ]
    assert len(demo.READINGS) == 5


def test_every_planted_segment_of_the_demo_has_a_truth() -> None:
    truth = demo.planted()
    assert {"Website", "1,000 and more", "all"} <= set(truth["segment"])
    assert truth["truth"].between(0, 1).all()
