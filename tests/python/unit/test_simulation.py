"""The simulator's engine: scenarios, exact truth against independent calculations, determinism, the command."""

from __future__ import annotations

import hashlib
import math
import random
from dataclasses import replace
from datetime import date
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from segment_signals.cli import main
from segment_signals.simulation import (
    END_TO_END,
    NEVER,
    STAGES,
    TRANSITIONS,
    Parameters,
    Population,
    draw_companies,
    draw_journeys,
    draw_population,
    exact_rates,
    expected_entrants,
    load_scenario,
    scenario_names,
    simulate,
    streams,
    true_incidence,
    write_dataset,
)
from segment_signals.simulation.incidence import tier_probability
from segment_signals.simulation.names import company_names, mail_addresses
from segment_signals.simulation.parameters import MixChange, Shift
from segment_signals.simulation.population import DAY
from segment_signals.simulation.tables import record_ids
from segment_signals.simulation.truth import incidence_rows, segments, simpson_reversals

DEMO = load_scenario("demo")


def small(**changes: Any) -> Parameters:
    """The demo's world with few entrants."""
    return replace(DEMO, leads=900, **changes)


def reference(country: int = 0, created_day: int = 0, has_lead: bool = True) -> Population:
    """One entrant with no effect but its country's: Web (or Outbound), Retail, 50-249 employees, sales-led."""
    return Population(
        company=np.array([0]),
        source=np.array([0 if has_lead else len(DEMO.lead_sources)]),
        country=np.array([country]),
        industry=np.array([DEMO.segment_names("industry").index("Retail")]),
        size=np.array([DEMO.segment_names("company_size").index("50-249")]),
        motion=np.array([0]),
        has_lead=np.array([has_lead]),
        created_at=np.array([created_day * DAY + 600]),
    )


def hashes(folder: Path) -> dict[str, str]:
    """Content hash of every file below a folder."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


# Scenarios


def test_every_scenario_loads() -> None:
    assert scenario_names() == ["demo", "dirty", "null", "planted", "scale", "tiny"]
    for name in scenario_names():
        assert load_scenario(name).name == name
    assert load_scenario("demo", leads=7, months=5).leads == 7
    assert load_scenario("demo", months=5).as_of_date == date(2024, 5, 31)
    assert load_scenario("tiny").lead_sources == DEMO.lead_sources


def test_the_null_scenario_has_no_effect_anywhere() -> None:
    null = load_scenario("null")
    population = simulate(replace(null, leads=400), 3).population
    rows = incidence_rows(null, population)
    for transition in TRANSITIONS:
        rates = {row["incidence"]["180"] for row in rows if row["transition"] == transition and row["period"] == "all"}
        assert max(rates) - min(rates) < 2e-6, transition
    assert all(channel.effect == 0.0 for channel in null.channels)
    assert len({band.amount_median_usd for band in null.sizes}) == 1


def test_a_scenario_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.yml"
    path.write_text("extends: tiny\nleads: 33\nquirks: {recycled: 0.5}\n")
    mine = load_scenario(path)
    assert (mine.name, mine.leads, mine.quirks.recycled) == ("mine", 33, 0.5)
    assert mine.quirks.deleted_leads == 1, "mappings are merged"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("extends: tiny\nlead: 33\n", "lead is no parameter. Use one of"),
        ("extends: tiny\nquirks: {recycle: 1.0}\n", "quirks.recycle is no parameter"),
        ("extends: tiny\nleads: many\n", "leads is 'many'. Give a value of the type int"),
        ("leads: 3\n", "is not complete"),
        ("extends: tiny\nmonths: 0\n", "Give at least one of both"),
        ("extends: tiny\nfirst_day: 2024-01-02\n", "Give the first day of a month"),
        ("extends: tiny\nregions: [{name: Mars, share: 1.0}]\n", "which is not in regions"),
        (
            "extends: tiny\ncountries: [{name: Peru, region: Latin America, share: 1.0}]\n",
            "the share of North America is 0.4, and its countries have 0",
        ),
        ("extends: tiny\nshifts: [{transition: opportunity_to_won, from_month: 3, effect: 1.0}]\n", "Use one of"),
        (
            "extends: tiny\nshifts: [{transition: lead_to_mql, from_month: 3, effect: 1.0,"
            " dimension: region, segment: Mars}]\n",
            "names the region 'Mars'",
        ),
        ("extends: tiny\nlost_in_stage: [1.0]\n", "Give a list of 4"),
        ("- 1\n", "is not a mapping of parameters"),
    ],
)
def test_mistakes_in_a_scenario_are_told(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.yml"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        load_scenario(path)


def test_a_scenario_that_is_not_there() -> None:
    with pytest.raises(FileNotFoundError, match=r"no scenario 'nothing'.*'tiny'"):
        load_scenario("nothing")


# Determinism


def test_the_same_seed_gives_the_same_files_under_any_number_of_threads(tmp_path: Path) -> None:
    parameters = replace(load_scenario("dirty"), leads=400, months=12)
    for name, seed, threads in (("a", 5, 1), ("b", 5, 2), ("c", 5, 4), ("d", 6, 2)):
        for file_format in ("csv", "parquet"):
            folder = tmp_path / name / file_format
            write_dataset(parameters, seed, folder, file_format=file_format, threads=threads, data_dir="x")
    first = hashes(tmp_path / "a")
    assert len(first) == 88
    assert first == hashes(tmp_path / "b") == hashes(tmp_path / "c")
    other = hashes(tmp_path / "d")
    same = {name for name, value in other.items() if value == first.get(name)}
    assert all(Path(name).stem.split(".")[0] in _FIXED_TABLES for name in same), same


_FIXED_TABLES = {"Campaign", "OpportunityStage", "Product2", "campaign_spend", "price", "product"}


def test_gzip_headers_hold_no_time_and_no_name(tmp_path: Path) -> None:
    write_dataset(load_scenario("tiny"), 1, tmp_path)
    packed = sorted(tmp_path.rglob("*.csv.gz"))
    assert len(packed) == 35
    for path in packed:
        header = path.read_bytes()[:10]
        assert header[:4] == b"\x1f\x8b\x08\x00", "no optional fields, so no file name"
        assert header[4:8] == b"\x00\x00\x00\x00", "no time"


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "world"
    arguments = ["simulate", "--scenario", "tiny", "--leads", "40", "--months", "12", "--seed", "9"]
    assert main([*arguments, "--out", str(out), "--format", "parquet", "--dataset", "mine"]) == 0
    assert "rows of the scenario tiny with the seed 9" in capsys.readouterr().out
    assert {path.name for path in out.iterdir()} == {
        *("salesforce", "hubspot", "stripe", "product", "marketing", "truth", "mapping.yml")
    }
    mapping = (out / "mapping.yml").read_text()
    assert "dataset: mine\n" in mapping
    assert f"data_dir: {out}\n" in mapping
    assert main(["simulate", "--scenario", "nothing", "--out", str(out)]) == 1
    assert "no scenario 'nothing'" in capsys.readouterr().err


# The exact truth


def test_incidence_of_one_lead_by_hand() -> None:
    rates = exact_rates(DEMO, reference(), DEMO.quarter_edges(), (0, 30, 90))
    # p = .58; 30 whole days or fewer means T < 31: Phi(ln(31 / 8)) = Phi(1.354546) = .912218.
    assert true_incidence(rates, "lead_to_mql", 30) == pytest.approx(0.58 * 0.912218, abs=2e-6)
    assert true_incidence(rates, "lead_to_mql", 0) == pytest.approx(0.58 * NormalDist().cdf(math.log(1 / 8)), abs=1e-12)
    assert true_incidence(rates, "mql_to_sql", 90) == pytest.approx(
        0.66 * NormalDist().cdf(math.log(91 / 10) / 0.9), abs=1e-12
    )
    assert expected_entrants(rates, "lead_to_mql") == pytest.approx(1.0)
    # Of a lead created on the first day, nearly everybody who ever becomes an MQL does so within the window.
    assert expected_entrants(rates, "mql_to_sql") == pytest.approx(0.58, abs=1e-4)
    assert expected_entrants(rates, "sql_to_opportunity") == pytest.approx(0.58 * 0.66, abs=1e-4)
    assert expected_entrants(rates, "opportunity_to_won") == pytest.approx(0.58 * 0.66 * 0.82, abs=1e-4)


def test_outbound_enters_at_the_opportunity_and_mixes_deal_tiers() -> None:
    rates = exact_rates(DEMO, reference(has_lead=False), DEMO.quarter_edges(), (90,))
    assert expected_entrants(rates, "opportunity_to_won") == pytest.approx(1.0)
    for transition in ("lead_to_mql", "mql_to_sql", "sql_to_opportunity", END_TO_END):
        assert expected_entrants(rates, transition) == 0.0
        assert math.isnan(true_incidence(rates, transition, 90))
    # Median deal 22,000, sigma .7: P(< 15,000) = Phi(-.54714), P(< 60,000) = Phi(1.43329).
    low, below = NormalDist().cdf(math.log(15 / 22) / 0.7), NormalDist().cdf(math.log(60 / 22) / 0.7)
    assert tier_probability(DEMO, 1) == pytest.approx([low, below - low, 1 - below], abs=1e-12)
    expected = 0.0
    for share, effect, slower in ((low, 0.15, -0.10), (below - low, 0.0, 0.0), (1 - below, -0.25, 0.15)):
        odds = 0.31 / 0.69 * math.exp(-0.25 + effect)
        mu = math.log(48) + 0.10 + slower
        expected += share * odds / (1 + odds) * NormalDist(mu, 0.6).cdf(math.log(91))
    assert true_incidence(rates, "opportunity_to_won", 90) == pytest.approx(expected, abs=1e-12)


def test_the_planted_shift_applies_by_the_day_of_becoming_an_mql() -> None:
    australia = [country.name for country in DEMO.countries].index("Australia")
    edges = DEMO.quarter_edges()
    rates = exact_rates(DEMO, reference(country=australia, created_day=edges[5]), edges, (180,))
    within = NormalDist().cdf(math.log(181 / 10) / 0.9)
    odds = 0.66 / 0.34
    shifted = odds * math.exp(-1.4)
    before = true_incidence(rates, "mql_to_sql", 180, periods=slice(5, 6))
    after = true_incidence(rates, "mql_to_sql", 180, periods=slice(6, 7))
    assert before == pytest.approx(within * odds / (1 + odds), abs=1e-12)
    assert after == pytest.approx(within * shifted / (1 + shifted), abs=1e-12)
    # Another region's rate does not move.
    canada = exact_rates(DEMO, reference(country=0, created_day=edges[5]), edges, (180,))
    assert true_incidence(canada, "mql_to_sql", 180, periods=slice(6, 7)) == pytest.approx(within * 0.66)


def test_exact_rates_equal_a_brute_force_monte_carlo() -> None:
    """The same population, its outcomes drawn 120 times: every transition, segment and period; several shifts."""
    shifts = (
        *DEMO.shifts,
        Shift("lead_to_mql", 9, -0.5),
        Shift("mql_to_sql", 12, 0.6, "motion", "product_led"),
    )
    parameters = small(shifts=shifts, mix_changes=(MixChange("lead_source", "Trade Show", 12, 3.0),))
    rng = streams(5)
    companies = draw_companies(parameters, rng["companies"])
    population = draw_population(parameters, companies, rng["population"])
    edges = (0, *parameters.shift_days, parameters.window_days)
    assert len(edges) == 5
    rates = exact_rates(parameters, population, edges, (30, 90, 180))
    copies = 120
    many = population.take(np.tile(np.arange(len(population)), copies))
    entered = draw_journeys(parameters, many, rng["journeys"]).entered_day
    checked, deviations = 0, []
    for index, transition in enumerate((*TRANSITIONS, END_TO_END)):
        start, end = (index, index + 1) if transition != END_TO_END else (0, len(STAGES) - 1)
        for _, _, members in segments(parameters, population):
            mask = np.ones(len(population), dtype=bool) if members is None else members
            for period in range(len(edges) - 1):
                at_risk = np.tile(mask, copies)
                at_risk &= (entered[:, start] >= edges[period]) & (entered[:, start] < edges[period + 1])
                n = int(at_risk.sum())
                columns = slice(period, period + 1)
                expected_n = expected_entrants(rates, transition, members=members, periods=columns) * copies
                assert abs(n - expected_n) <= 5 * math.sqrt(expected_n) + 1e-9
                for horizon in (30, 90, 180):
                    if n < 1000:
                        continue
                    truth = true_incidence(rates, transition, horizon, members=members, periods=columns)
                    observed = float((entered[at_risk, end] - entered[at_risk, start] <= horizon).mean())
                    error = math.sqrt(max(truth * (1 - truth), 1 / n) / n)
                    deviations.append((observed - truth) / error)
                    checked += 1
    assert checked > 900
    assert max(abs(d) for d in deviations) < 5
    assert abs(float(np.mean(deviations))) < 0.35


def test_end_to_end_across_the_shift_equals_an_independent_monte_carlo() -> None:
    """Python's own generator and log-normal, one lead ten days before the shift: no code shared with the simulator."""
    shift_day = DEMO.shift_days[0]
    australia = [country.name for country in DEMO.countries].index("Australia")
    lead = reference(country=australia, created_day=shift_day - 10)
    exact = true_incidence(exact_rates(DEMO, lead, DEMO.quarter_edges(), (180,)), END_TO_END, 180)

    def expit(x: float) -> float:
        return 1 / (1 + math.exp(-x))

    def logit(p: float) -> float:
        return math.log(p / (1 - p))

    draw, wins, n = random.Random(11), 0, 120_000
    for _ in range(n):
        # Asia Pacific: +.05 on lead->mql, -.05 on opportunity->won.
        if draw.random() >= expit(logit(0.58) + 0.05):
            continue
        days = int(draw.lognormvariate(math.log(8), 1.0))
        if draw.random() >= expit(logit(0.66) - (1.4 if days >= 10 else 0.0)) or draw.random() >= 0.82:
            continue
        days += int(draw.lognormvariate(math.log(10), 0.9)) + int(draw.lognormvariate(math.log(7), 0.9))
        amount = draw.lognormvariate(math.log(22_000), 0.7)
        effect, slower = (0.15, -0.10) if amount < 15_000 else (0.0, 0.0) if amount < 60_000 else (-0.25, 0.15)
        if draw.random() < expit(logit(0.31) - 0.05 + effect):
            days += int(draw.lognormvariate(math.log(48) + slower, 0.6))
            wins += days <= 180
    assert abs(wins / n - exact) < 4 * math.sqrt(exact * (1 - exact) / n)


def test_a_planted_simpson_reversal_is_in_the_truth() -> None:
    parameters = replace(load_scenario("planted"), leads=3000)
    rows = incidence_rows(parameters, simulate(parameters, 2).population)
    found = {(row["transition"], row["dimension"], row["period"]) for row in simpson_reversals(rows)}
    assert ("lead_to_mql", "lead_source", "2025-01-01") in found
    assert simpson_reversals(incidence_rows(small(), simulate(small(), 2).population)) == []


def test_truth_adds_up_over_segments_and_quarters() -> None:
    rows = incidence_rows(small(), simulate(small(), 4).population)
    truth = {(r["transition"], r["dimension"], r["segment"], r["period"]): r for r in rows}
    assert len(truth) == len(rows)
    assert all(0 <= r["incidence"]["30"] <= r["incidence"]["90"] <= r["incidence"]["180"] <= 1 for r in rows)
    for transition in (*TRANSITIONS, END_TO_END):
        total = truth[transition, "all", "all", "all"]
        for dimension in ("lead_source", "region", "industry", "company_size", "motion"):
            parts = [r for k, r in truth.items() if k[:2] == (transition, dimension) and k[3] == "all"]
            entrants = sum(part["expected_entrants"] for part in parts)
            assert entrants == pytest.approx(total["expected_entrants"], abs=0.1)
            for days in ("30", "90", "180"):
                mean = sum(part["expected_entrants"] * part["incidence"][days] for part in parts) / entrants
                assert mean == pytest.approx(total["incidence"][days], abs=1e-4)


def test_rates_tell_what_is_wrong() -> None:
    with pytest.raises(KeyError, match="no exact rate for lead_to_mql at 45 days"):
        true_incidence(exact_rates(DEMO, reference(), DEMO.quarter_edges(), (30,)), "lead_to_mql", 45)
    with pytest.raises(ValueError, match=r"a period straddles day 547.* Add 547 to the edges"):
        exact_rates(DEMO, reference(), (0, 731), (30,))
    with pytest.raises(ValueError, match="do not increase"):
        exact_rates(DEMO, reference(), (0, 0), (30,))


# Parts


def test_quarters_of_the_window() -> None:
    # 2024 is a leap year: 91, 91, 92, 92 days; 2025: 90, 91, 92, 92.
    assert DEMO.quarter_edges() == [0, 91, 182, 274, 366, 456, 547, 639, 731]
    assert replace(DEMO, first_day=date(2024, 2, 1), months=4, shifts=()).quarter_edges() == [0, 60, 121]


def test_journeys_end_once() -> None:
    rng = streams(2)
    population = draw_population(small(), draw_companies(small(), rng["companies"]), rng["population"])
    journeys = draw_journeys(small(), population, rng["journeys"])
    won = journeys.entered_day[:, -1] < NEVER
    assert (won == (journeys.lost_day == NEVER)).all()
    assert (won == (journeys.lost_from == -1)).all()
    known = np.where(journeys.entered_day < NEVER, journeys.entered_day, -1)
    assert (np.diff(known[won & population.has_lead], axis=1) >= 0).all()
    lost = np.flatnonzero(~won)
    assert (journeys.lost_day[lost] >= journeys.entered_day[lost, journeys.lost_from[lost]]).all()


def test_record_id_by_hand() -> None:
    # 10 is 'A' in base 62. 00Q5Y: Q (third, 4) + Y (fifth, 16) = 20 -> U; 00000 -> A; 0000A: 16 -> Q.
    assert record_ids("Lead", 1, start=10).tolist() == [b"00Q5Y000000000AUAQ"]
    assert len(np.unique(record_ids("Task", 100_000))) == 100_000


def test_namesakes_at_one_company_have_addresses_of_their_own() -> None:
    domain = pa.array(["a.example", "b.example"])
    first, last, company = np.array([0, 0, 1, 0, 0]), np.array([2, 2, 2, 2, 2]), np.array([0, 0, 0, 1, 0])
    assert mail_addresses(first, last, company, domain).to_pylist() == [
        "ada.almeida@a.example",
        "ada.almeida2@a.example",
        "aiko.almeida@a.example",
        "ada.almeida@b.example",
        "ada.almeida3@a.example",
    ]


def test_companies_have_domains_of_their_own() -> None:
    names, domains = company_names(np.random.default_rng(1), 40_000)
    assert len(set(names.to_pylist())) == 40_000
    assert len(set(domains.to_pylist())) == 40_000
    assert all(domain.endswith(".example") for domain in domains.to_pylist()[:1000])
