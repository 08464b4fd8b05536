"""Write the demo: the export as gzipped CSV files, and truth.json with everything that was planted."""

import gzip
import io
import json
from dataclasses import asdict
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from segment_signals.simulation.draws import Bools
from segment_signals.simulation.incidence import ExactRates, exact_rates, expected_entrants, true_incidence
from segment_signals.simulation.parameters import END_TO_END, TRANSITIONS, Parameters
from segment_signals.simulation.population import Population, region_of_country
from segment_signals.simulation.world import World, simulate

HORIZON_DAYS = (30, 90, 180)


def csv_gz(table: pd.DataFrame) -> bytes:
    """The table as gzipped CSV (UTF-8, LF, comma, quotes only where needed), without name or time in the header.

    The same table gives the same CSV everywhere, and the same gzip bytes under the same zlib.
    """
    text = table.to_csv(index=False, lineterminator="\n")
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=buffer, mtime=0) as stream:
        stream.write(text.encode("utf-8"))
    return buffer.getvalue()


def segments(parameters: Parameters, population: Population) -> list[tuple[str, str, Bools | None]]:
    """(dimension, segment, mask over the population) for the total and every planted level."""
    found: list[tuple[str, str, Bools | None]] = [("all", "all", None)]
    region = region_of_country(parameters)[population.country]
    for dimension, names, index in (
        ("lead_source", [level.name for level in parameters.source_levels], population.source),
        ("region", [level.name for level in parameters.regions], region),
        ("company_size", [level.name for level in parameters.sizes], population.size),
        ("industry", [level.name for level in parameters.industries], population.industry),
    ):
        found += [(dimension, name, np.asarray(index == i)) for i, name in enumerate(names)]
    return found


def truth_rows(
    parameters: Parameters,
    population: Population,
    rates: ExactRates,
    horizons: tuple[int, ...] = HORIZON_DAYS,
) -> list[dict[str, Any]]:
    """True incidences by transition, segment and period: the whole window ('all') and each quarter by its first day.

    Keys: transition, dimension, segment, period, expected_entrants (persons or outbound opportunities),
    incidence ({horizon: 0..1}). Industries come for the whole window only. Combinations that nobody can enter
    are left out.
    """
    periods: list[tuple[str, slice]] = [("all", slice(None))]
    for index, day in enumerate(rates.edges[:-1]):
        periods.append(((parameters.first_day + timedelta(days=day)).isoformat(), slice(index, index + 1)))
    rows: list[dict[str, Any]] = []
    for transition in (*TRANSITIONS, END_TO_END):
        for dimension, segment, members in segments(parameters, population):
            for period, columns in periods[:1] if dimension == "industry" else periods:
                entrants = expected_entrants(rates, transition, members=members, periods=columns)
                if entrants == 0.0:
                    continue
                incidence = {
                    str(days): round(true_incidence(rates, transition, days, members=members, periods=columns), 6)
                    for days in horizons
                }
                rows.append(
                    {
                        "transition": transition,
                        "dimension": dimension,
                        "segment": segment,
                        "period": period,
                        "expected_entrants": round(entrants, 2),
                        "incidence": incidence,
                    }
                )
    return rows


def planted_effects(parameters: Parameters) -> list[str]:
    """The effects worth finding, a sentence each."""
    shift = parameters.mql_to_sql_shift
    shift_date = parameters.first_day + timedelta(days=shift.from_day)
    return [
        "Trade Show looks good early and fails late: high lead_to_mql, low opportunity_to_won.",
        "Customer Referral is the other way round: low lead_to_mql, high opportunity_to_won; and thin.",
        "Retail has no effect in any transition (null segment).",
        "Larger companies buy larger deals with longer cycles and lower opportunity_to_won.",
        f"{shift.region}: log-odds of mql_to_sql change by {shift.effect} for MQLs from {shift_date} on.",
    ]


def truth(world: World) -> dict[str, Any]:
    """Everything planted and realised, ready for JSON."""
    parameters = world.parameters
    rates = exact_rates(parameters, world.population, parameters.quarter_edges(), HORIZON_DAYS)
    return {
        "seed": world.seed,
        "as_of_date": parameters.as_of_date.isoformat(),
        "definition": (
            "incidence: probability of advancing within the horizon (calendar days since entry, at most the"
            " horizon) among those who enter the transition's first stage in the period and the window, by"
            " exact probabilities over the simulated population; quirks are not included. opportunity_to_won"
            " covers new business with a lead and outbound; lead_to_won covers leads by creation date."
        ),
        "planted_effects": planted_effects(parameters),
        "row_counts": {name: len(table) for name, table in world.tables.items()},
        "quirks": {name: asdict(count) for name, count in sorted(world.quirks.items())},
        "parameters": asdict(parameters),
        "true_incidence": truth_rows(parameters, world.population, rates),
    }


def truth_json(content: dict[str, Any]) -> bytes:
    """JSON with one line per incidence, so that a change shows as the lines that changed; LF, UTF-8."""
    body = dict(content)
    rows = [json.dumps(row) for row in body.pop("true_incidence")]
    text = json.dumps(body, indent=1, default=_iso)
    return (text[:-2] + ',\n "true_incidence": [\n  ' + ",\n  ".join(rows) + "\n ]\n}\n").encode("utf-8")


def _iso(value: object) -> str:
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{value!r} cannot be written as JSON. Give it as text or a number.")


def demo_files(seed: int, parameters: Parameters | None = None) -> dict[str, bytes]:
    """The demo's files by name: <Object>.csv.gz and truth.json. The same seed gives the same bytes."""
    world = simulate(parameters or Parameters(), seed)
    files = {f"{name}.csv.gz": csv_gz(table) for name, table in world.tables.items()}
    files["truth.json"] = truth_json(truth(world))
    return files


def write_demo(output_dir: Path, seed: int) -> None:
    """Write the demo export and its truth into `output_dir` (made if missing).

    A mapping.yml there is left as it is.
    """
    files = demo_files(seed)
    output_dir.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (output_dir / name).write_bytes(content)
