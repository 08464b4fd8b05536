"""The verdict on every check that must exist: Great Expectations over one observed number per check."""

import json
import logging
import os
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

SCHEMA = pa.schema(
    [
        ("gate", pa.string()),
        ("subject", pa.string()),
        ("check_name", pa.string()),
        ("observed", pa.float64()),
        ("threshold", pa.float64()),
        ("status", pa.string()),
        ("row_count", pa.int64()),
        ("defect_count", pa.int64()),
        ("detail", pa.string()),
    ]
)

NEVER = 1e308
"""A limit that no observation breaks: stands where a check has no threshold of that severity."""


def gate_results(
    index: pa.Table, raw_observations: pa.Table, publication_observations: pa.Table, expectations_dir: Path
) -> pa.Table:
    """Judge every row of the gate index.

    Args:
        index: one row per gate, subject and check that must exist, with comparison, thresholds and minimum_n.
        raw_observations: one row per check of the raw boundary: check_name, subject, observed, row_count,
            defect_count, detail, is_applicable.
        publication_observations: the same for the publication boundary.
        expectations_dir: folder with one Great Expectations suite per boundary, `<gate>.json`.

    Returns:
        Table of `SCHEMA`, one row per row of the index. The status is NULL where a check was not observed, so
        that whoever reads it fails closed; a check whose number is missing is blocked.
    """
    checks = index.to_pandas()
    observations = pd.concat(
        [
            raw_observations.to_pandas().assign(gate="raw"),
            publication_observations.to_pandas().assign(gate="publication"),
        ],
        ignore_index=True,
    )
    observations["is_observed"] = True
    judged = checks.merge(observations, how="left", on=["gate", "subject", "check_name"], validate="one_to_one")
    broken = {
        gate: _broken(gate, rows, expectations_dir) for gate, rows in judged.groupby("gate", sort=True) if len(rows)
    }
    judged["status"] = [_status(row, broken[row["gate"]]) for _, row in judged.iterrows()]
    judged["threshold"] = judged["block_threshold"].where(
        (judged["status"] == "blocked") & judged["block_threshold"].notna(), judged["flag_threshold"]
    )
    judged = judged.sort_values(["gate", "check_name", "subject"])
    for column in ("row_count", "defect_count"):
        judged[column] = judged[column].astype("Int64")
    return pa.Table.from_pandas(judged[SCHEMA.names], schema=SCHEMA, preserve_index=False)


def _status(check: "pd.Series[Any]", broken: dict[str, set[tuple[str, str]]]) -> str | None:
    key = (str(check["check_name"]), str(check["subject"]))
    if check["is_observed"] is not True or pd.isna(check["minimum_n"]) or pd.isna(check["row_count"]):
        return None
    if not check["is_applicable"]:
        return "not_applicable"
    if check["row_count"] < check["minimum_n"]:
        return "insufficient_sample"
    if pd.isna(check["observed"]):
        return "insufficient_sample" if check["row_count"] == 0 else "blocked"
    if key in broken["critical"]:
        return "blocked"
    return "flagged" if key in broken["warning"] else "pass"


def _broken(gate: str, checks: pd.DataFrame, expectations_dir: Path) -> dict[str, set[tuple[str, str]]]:
    """The (check, subject) pairs that break an expectation of the boundary's suite, per severity."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "False")
    import great_expectations as gx  # imported here: it costs seconds, and only the gates need it
    from great_expectations.data_context.types.base import ProgressBarsConfig

    # This one logger sets its own level, and tells of a temporary folder that it has already removed.
    logging.getLogger("great_expectations.data_context.types.base").setLevel(logging.ERROR)
    suite = json.loads((expectations_dir / f"{gate}.json").read_text(encoding="utf-8"))
    missing = set(checks["check_name"]) - {expectation["meta"]["check_name"] for expectation in suite["expectations"]}
    if missing:
        raise ValueError(
            f"expectations/{gate}.json has no expectation for {', '.join(sorted(missing))}. "
            "Add one of each severity, as for the other checks."
        )
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    batch = (
        context.data_sources.add_pandas(gate)
        .add_dataframe_asset("observations")
        .add_batch_definition_whole_dataframe("all")
        .get_batch({"dataframe": checks[["check_name", "subject", "observed"]].reset_index(drop=True)})
    )
    result = batch.validate(
        gx.ExpectationSuite(name=suite["name"], expectations=suite["expectations"], meta=suite["meta"]),
        expectation_parameters=_limits(checks),
        result_format={"result_format": "COMPLETE", "unexpected_index_column_names": ["subject"]},
    )
    broken: dict[str, set[tuple[str, str]]] = {"warning": set(), "critical": set()}
    for verdict in result.results:
        config = verdict.expectation_config
        if config is None or config.meta is None:
            raise ValueError(f"An expectation of {gate}.json has no meta.check_name. Give it the name of its check.")
        if verdict.exception_info.get("raised_exception"):
            raise ValueError(f"The expectation {config.meta['check_name']} of {gate}.json failed to run: {verdict}")
        for row in verdict.result.get("unexpected_index_list") or []:
            broken[config.severity].add((config.meta["check_name"], row["subject"]))
    return broken


def _limits(checks: pd.DataFrame) -> dict[str, float]:
    """Threshold of each check and severity by parameter name, `<check_name>_flag` and `<check_name>_block`."""
    limits: dict[str, float] = {}
    for _, check in checks.drop_duplicates("check_name").iterrows():
        unlimited = -NEVER if check["comparison"] == "at_least" else NEVER
        for level in ("flag", "block"):
            threshold = check[f"{level}_threshold"]
            limits[f"{check['check_name']}_{level}"] = unlimited if pd.isna(threshold) else float(threshold)
    return limits
