"""Lead scores on the page: what the model in force is, how good scores were, and whom each band held.

The tables are optional: without them the section is left out; without a model its refusal is what is said.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from markupsafe import Markup

from segment_signals.review import charts, words
from segment_signals.review.facts import ReviewError

COLUMNS = {
    "lead_scores": ("composite_band", "probability", "probability_band", "reason", "caveat"),
    "model_quality": ("model_name", "split", "dimension", "segment", "metric", "value", "low", "high", "n"),
    "model_registry": (
        "model_name", "model_version", "trained_on_date", "status", "caveat", "target", "horizon_days", "decision",
    ),
}  # fmt: skip
MODEL, COMPOSITE, PQL = "lead_score", "composite", "pql"
NAMES = {
    "roc_auc": "Area under the ROC curve",
    "pr_auc": "Average precision",
    "log_loss": "Log loss",
    "log_loss_skill": "Log loss, skill over the base rate",
    "brier": "Brier score",
    "brier_skill": "Brier score, skill over the base rate",
    "ece": "Calibration error, ten bins",
    "ece_noise": "Calibration error by chance alone",
    "calibration_slope": "Calibration slope",
    "calibration_intercept": "Calibration intercept",
    "lift_top_decile": "Lift of the best tenth",
    "base_rate": "Share that converted",
}
Key = tuple[str, str]
Row = dict[str, Any]


def view(tables: Mapping[str, pd.DataFrame]) -> dict[str, Any] | None:
    """What the template names, None where the tables were not given.

    Raises:
        ReviewError: a table that was given lacks a column; the message names both.
    """
    if any(name not in tables for name in COLUMNS):
        return None
    for name, columns in COLUMNS.items():
        missing = [column for column in columns if column not in tables[name].columns]
        if missing:
            raise ReviewError(f"The table {name} has no column {missing[0]}. Build the project again.")
    scores, quality, registry = (tables[name] for name in COLUMNS)
    registry = registry[registry["model_name"] == MODEL].sort_values("trained_on_date")
    if registry.empty or scores.empty:
        return None
    model = registry.iloc[-1]
    told = quality[(quality["dimension"] == "all") & quality["value"].notna()]
    split = next(
        (
            name
            for name in ("backtest", "out_of_fold")
            if ((told["split"] == name) & (told["model_name"] == MODEL)).any()
        ),
        "backtest",
    )
    found: dict[Key, Row] = {
        (row["model_name"], row["metric"]): {str(name): value for name, value in row.items()}
        for row in told[told["split"] == split].to_dict("records")
    }
    return {
        "finding": _finding(model, scores, found, split),
        "split": _span(quality) if split == "backtest" else "out of fold",
        "decision": model["decision"] if isinstance(model["decision"], str) else "",
        "version": model["model_version"] if isinstance(model["model_version"], str) else None,
        "metrics": [_metric(name, label, found) for name, label in NAMES.items() if _has(name, found)],
        "bands": [
            *_bands(MODEL, "probability_band", scores, found),
            *_bands(COMPOSITE, "composite_band", scores, found),
        ],
        "calibration": _calibration(found),
        "gains": _gains(found),
        "pql": _pql(found),
        "won": _won(found),
    }


def _finding(model: pd.Series[Any], scores: pd.DataFrame, found: Mapping[Key, Row], split: str) -> str:
    open_leads = f"{words.count(len(scores))} open leads are scored"
    if model["status"] != "trained":
        return f"{open_leads} by points alone. No model: {model['caveat']}"
    days = int(model["horizon_days"])
    said = f"{open_leads}. The probability is that a lead {model['target']} within {days} days"
    against = sorted(set(scores["caveat"].dropna()))
    auc, points = found.get((MODEL, "roc_auc")), found.get((COMPOSITE, "roc_auc"))
    if auc is not None:
        when = "At the score dates whose outcome is known" if split == "backtest" else "Out of fold"
        said += f". {when} it put a converting lead before another one in {words.percent(auc['value'])}% of pairs"
        if points is not None:
            said += f", the composite in {words.percent(points['value'])}%"
    return ". ".join([said, *(text.rstrip(".") for text in against)]) + "."


def _won(found: Mapping[Key, Row]) -> str:
    """Of which won deals the table of bands speaks."""
    scored = found.get((MODEL, "won_deals_scored"))
    if scored is None:
        return ""
    return (
        f"Of the {words.count(scored['n'])} deals won in these months {_rate(scored)} % came from a lead that was open "
        "and scored at a month end; the won deals of the table are those."
    )


def _span(quality: pd.DataFrame) -> str:
    """The score dates that are judged."""
    is_month = (quality["dimension"] == "score_month") & (quality["model_name"] == MODEL)
    months = sorted(quality.loc[is_month & (quality["split"] == "backtest"), "segment"])
    return (
        f"scores of {months[0]} to {months[-1]}, as they were published" if months else "scores as they were published"
    )


def _has(metric: str, found: Mapping[Key, Row]) -> bool:
    return (MODEL, metric) in found or (COMPOSITE, metric) in found


def _cell(row: Row | None) -> tuple[str, str]:
    if row is None:
        return "", ""
    if pd.isna(row["low"]) or pd.isna(row["high"]):
        return words.significant(row["value"]), ""
    return words.significant(row["value"]), f"{words.significant(row['low'])} to {words.significant(row['high'])}"


def _metric(metric: str, label: str, found: Mapping[Key, Row]) -> Row:
    cells = {name: _cell(found.get((name, metric))) for name in (MODEL, COMPOSITE)}
    rows = [found[name, metric]["n"] for name in cells if (name, metric) in found]
    return {"label": label, "model": cells[MODEL], "composite": cells[COMPOSITE], "n": words.count(max(rows))}


def _bands(name: str, column: str, scores: pd.DataFrame, found: Mapping[Key, Row]) -> list[Row]:
    """A row per band with a lower bound: open leads in it today, and what calling from it on missed and caught.

    The higher the bound, the fewer false positives: the highest band is first.
    """
    made = []
    called = [key for key in found if key[0] == name and key[1].startswith("false_positive_rate:")]
    for _, metric in sorted(called, key=lambda key: (pd.isna(found[key]["value"]), found[key]["value"])):
        band = metric.split(":")[1]
        days = found.get((name, f"days_to_win_from:{band}"))
        made.append(
            {
                "score": "Probability" if name == MODEL else "Composite",
                "band": words.plain(band),
                "now": words.count(int((scores[column] == band).sum())),
                "false_positive": _rate(found.get((name, f"false_positive_rate:{band}"))),
                "false_negative": _rate(found.get((name, f"false_negative_rate:{band}"))),
                "reached": _rate(found.get((name, f"won_deals_reached:{band}"))),
                "days": "" if days is None else words.count(round(days["value"])),
            }
        )
    return made


def _rate(row: Row | None) -> str:
    if row is None:
        return ""
    return f"{words.percent(row['value'])} ({words.percent(row['low'])} to {words.percent(row['high'])})"


def _calibration(found: Mapping[Key, Row]) -> Markup | None:
    bins = []
    for (name, metric), row in sorted(found.items()):
        if name == MODEL and metric.startswith("calibration_observed:"):
            said = found[MODEL, metric.replace("observed", "expected")]["value"]
            bins.append((float(said), float(row["value"]), float(row["low"]), float(row["high"])))
    if len(bins) < 3:
        return None
    top = min(1.0, charts.ceiling([max(high, said) for said, _, _, high in bins]))
    label = "Probability said and share that converted, by bins of equal size"
    return Markup(charts.calibration_svg(bins, top=top, label=label, prefix="calibration"))


def _gains(found: Mapping[Key, Row]) -> Markup | None:
    lines = []
    for name, label in ((MODEL, "model"), (COMPOSITE, "composite")):
        line = sorted(
            (float(metric.split(":")[1]), float(row["value"]))
            for (of, metric), row in found.items()
            if of == name and metric.startswith("captured_share:")
        )
        if line:
            lines.append((label, line))
    if not lines:
        return None
    label = "Share of the conversions among the best-scored share of the leads"
    return Markup(charts.gains_svg(lines, label=label, prefix="gains"))


def _pql(found: Mapping[Key, Row]) -> str:
    precision, below = found.get((PQL, "precision")), found.get((PQL, "won_share_not_qualified"))
    if precision is None or below is None:
        return ""
    return (
        f"Of {words.count(precision['n'])} leads in the top band of the PQL score {_rate(precision)} % were won "
        f"in time, of {words.count(below['n'])} leads seen below it {_rate(below)} %."
    )
