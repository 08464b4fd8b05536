"""The gates' verdicts, read so that anything but a known good one stops the release."""

from collections import defaultdict
from typing import Any

import duckdb

from segment_signals.release.errors import ReleaseBlocked

RELEASABLE = frozenset({"pass", "flagged", "insufficient_sample", "too_early", "not_applicable"})

_SHOWN = 10

CheckKey = tuple[str | None, str | None, str | None]
"""gate, subject, check_name."""


def require_passing_gates(connection: duckdb.DuckDBPyConnection, gate_index: str, gate_results: str) -> None:
    """Raise ReleaseBlocked unless every check that must exist has exactly one releasable verdict.

    `gate_index` holds gate, subject, check_name; `gate_results` holds those and observed, threshold, status,
    detail. Verdicts that the index does not ask for must be releasable too: blocked is blocked.
    """
    index: list[CheckKey] = connection.sql(f"select distinct gate, subject, check_name from {gate_index}").fetchall()
    if not index:
        raise ReleaseBlocked(
            "The gate index names no check, so nothing vouches for this release; nothing was published. "
            "Declare the checks that must exist and run `dbt build`."
        )
    verdicts: dict[CheckKey, list[tuple[Any, ...]]] = defaultdict(list)
    for gate, subject, check, *verdict in connection.sql(
        f"select gate, subject, check_name, status, observed, threshold, detail from {gate_results}"
    ).fetchall():
        verdicts[(gate, subject, check)].append(tuple(verdict))

    keys = sorted({*index, *verdicts}, key=lambda key: tuple("" if part is None else part for part in key))
    faults = [fault for key in keys if (fault := _fault(key, verdicts.get(key, []))) is not None]
    if not faults:
        return
    lines = [" | ".join(fault) for fault in faults[:_SHOWN]]
    if len(faults) > _SHOWN:
        lines.append(f"... and {len(faults) - _SHOWN} more in gate_results")
    raise ReleaseBlocked(
        f"The release is blocked by {len(faults)} of {len(keys)} checks; "
        "nothing was published and `current` stays.\n"
        + "gate | subject | check | observed | threshold | detail\n"
        + "\n".join(lines)
        + "\nMend what the rows name in the source files (or, if a limit is wrong for this dataset, its row "
        "in gate_thresholds) and run `dbt build`. A check without a known verdict: its gate model must run."
    )


def _fault(key: CheckKey, verdicts: list[tuple[Any, ...]]) -> tuple[str, ...] | None:
    """The row to show for a check that stops the release, None for one that does not."""
    shown_key = tuple(part if part is not None else "NULL" for part in key)
    if len(verdicts) != 1:
        reason = "no verdict" if not verdicts else f"{len(verdicts)} verdicts, one is expected"
        return (*shown_key, "-", "-", reason)
    status, observed, threshold, detail = verdicts[0]
    if status in RELEASABLE:
        return None
    if status == "blocked":
        reason = detail or "blocked"
    else:
        reason = f"status {'NULL' if status is None else repr(status)} is no verdict" + (
            f": {detail}" if detail else ""
        )
    return (*shown_key, _number(observed), _number(threshold), reason)


def _number(value: Any) -> str:
    return "-" if value is None else f"{float(value):g}"
