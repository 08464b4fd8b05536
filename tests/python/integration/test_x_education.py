"""The X Education leads: a flat list without dates, the figures that its README gives, and its leaky columns."""

import csv
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import yaml
from conftest import PROJECT, Build, dataset
from segment_signals.learning import CATEGORY, Examples, Feature, Rules, Target, columns_of, quality, train

TARGET = Target("lead_score", "Lead score", "lead", "conversion", "converts", 90, "x_education", {})
EXAMPLE = PROJECT / "examples" / "x_education"
LATE = {
    *("tags", "lead_quality", "lead_profile", "last_activity", "last_notable_activity"),
    *("asymmetrique_activity_index", "asymmetrique_profile_index"),
    *("asymmetrique_activity_score", "asymmetrique_profile_score"),
}
PATTERNS = PROJECT / "seeds" / "scoring" / "late_attributes.csv"


def word(text: str) -> str | None:
    return None if text.strip() in ("", "Select") else text.strip()


@pytest.fixture(scope="module")
def leads(shared_data: Path) -> tuple[Examples, list[Feature]]:
    """The rows of the file in the columns of the mapping, and the features as its definitions have them."""
    mapping = yaml.safe_load((EXAMPLE / "mapping.yml").read_text())
    block = mapping["entities"]["people"]
    of = {**block["columns"], **block["custom_columns"]}
    with (shared_data / "x_education_leads" / "Leads.csv").open(encoding="utf-8") as file:
        rows = [{name: word(value) for name, value in row.items()} for row in csv.DictReader(file)]
    with (EXAMPLE / "definitions" / "score_features.csv").open(encoding="utf-8") as file:
        features = [Feature(r["feature"], r["feature_group"], r["kind"], r["known"]) for r in csv.DictReader(file)]
    table = pa.table(
        {
            f.name: pa.array(
                [v if f.kind == CATEGORY or v is None else float(v) for v in (row[of[f.name]] for row in rows)],
                pa.string() if f.kind == CATEGORY else pa.float64(),
            )
            for f in features
        }
    )
    n = len(rows)
    label = np.array([float(row["Converted"]) for row in rows])
    numbers = np.arange(n)
    return Examples(numbers, numbers, np.zeros(n, dtype=np.int64), label, columns_of(table, features)), features


def patterns() -> list[str]:
    with PATTERNS.open(encoding="utf-8") as file:
        return [row["pattern"] for row in csv.DictReader(file)]


def test_figures_of_the_readme(leads: tuple[Examples, list[Feature]]) -> None:
    examples, features = leads
    assert (len(examples), examples.label.sum()) == (9240, 3561)
    trained = train(examples, features, TARGET, 0, Rules(), patterns(), undated=True)
    assert trained.tested is not None
    assert {alarm.feature for alarm in trained.alarms} == LATE
    found = {
        metric.name: metric
        for metric in quality.measure(trained.tested.probability, examples.label, examples.group, {}, True)
    }
    assert found["roc_auc"].value >= 0.874
    assert found["brier"].value <= 0.136
    assert 0.9 < found["calibration_slope"].value < 1.1


def test_the_alarm_names_the_late_columns_where_nobody_declares_them(leads: tuple[Examples, list[Feature]]) -> None:
    examples, features = leads
    undeclared = [Feature(f.name, f.feature_group, f.kind, None if f.name in LATE else f.known) for f in features]
    trained = train(examples, undeclared, TARGET, 0, Rules(), patterns(), undated=True)
    assert trained.model is None
    assert trained.refusal is not None
    assert trained.refusal.code == "leakage"
    assert {alarm.feature for alarm in trained.alarms} == LATE
    assert {alarm.feature for alarm in trained.alarms if alarm.rule == "separation"} == {"tags"}
    assert all(name in trained.refusal.sentence for name in LATE)


@pytest.mark.long
def test_the_example_builds(shared_data: Path, tmp_path: Path) -> None:
    mapping = yaml.safe_load((EXAMPLE / "mapping.yml").read_text(encoding="utf-8"))
    definitions = {
        f"definitions/{path.name}": path.read_text(encoding="utf-8") for path in (EXAMPLE / "definitions").iterdir()
    }
    here = {
        "data_dir": str(tmp_path),
        "build_dir": str(tmp_path),
        "releases_dir": str(tmp_path / "releases"),
        "folders": [str(shared_data / "x_education_leads")],
    }
    built: Build = dataset(tmp_path, {**mapping, **here}, definitions).build()
    assert built.rows("select count(*), count(probability), min(reason), max(reason) from published.lead_scores") == [
        (5679, 5679, "no_dates", "no_dates")
    ]
    metrics = dict(
        built.rows(
            "select metric, value from published.model_quality where split = 'out_of_fold' and dimension = 'all'"
        )
    )
    assert metrics["roc_auc"] >= 0.874
    assert metrics["brier"] <= 0.136
    assert built.rows("select count(*) from gates.gate_results where status = 'blocked'") == [(0,)]
