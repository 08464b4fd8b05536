"""The lead score at scale: training on 100,000 leads, scoring 1,000,000. Writes docs/scoring_scale.md."""

import resource
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from segment_signals.learning import CATEGORY, Categories, Examples, Feature, Rules, columns_of, train

from certification.scoring_worlds import DESIGNS, HORIZON, TARGET, world

PROJECT = Path(__file__).parents[1]

TRAINED, SCORED = 100_000, 1_000_000
MORE_NUMBERS, MORE_CATEGORIES, LEVELS = 14, 6, 30


def leads(design: int, count: int, seed: int) -> tuple[Examples, tuple[Feature, ...]]:
    """Simulated leads with as many features as the demo has, most of them noise."""
    examples, _, features = world(DESIGNS[design], count, seed)
    rng = np.random.default_rng(seed)
    columns = dict(examples.columns)
    added = []
    for at in range(MORE_NUMBERS):
        columns[f"number_{at}"] = rng.poisson(2, count).astype(float)
        added.append(Feature(f"number_{at}", f"group_{at % 3}"))
    for at in range(MORE_CATEGORIES):
        columns[f"category_{at}"] = Categories(
            rng.integers(0, LEVELS, count), tuple(f"level {level:02d}" for level in range(LEVELS))
        )
        added.append(Feature(f"category_{at}", f"group_{at % 3}", CATEGORY))
    return replace(examples, columns=columns), (*features, *added)


def as_table(examples: Examples) -> pa.Table:
    """The columns as they come from the marts."""
    columns = {}
    for name, column in examples.columns.items():
        if isinstance(column, Categories):
            codes = pa.array(column.codes.astype(np.int32))
            columns[name] = pa.DictionaryArray.from_arrays(codes, pa.array(column.levels)).cast(pa.string())
        else:
            columns[name] = pa.array(column, from_pandas=True)
    return pa.table(columns)


def timed(run: Callable[[], Any]) -> tuple[Any, float, float]:
    """Result, seconds, processor seconds."""
    started, used = time.perf_counter(), time.process_time()
    return run(), time.perf_counter() - started, time.process_time() - used


def main() -> None:
    """Time each step once, in this process."""
    rows = []
    # Features that add up, where the champion stays; one that matters only for some, where trees are adopted.
    for design in (1, 3):
        examples, features = leads(design, TRAINED, 1)
        last = int(examples.at.max()) + HORIZON
        trained, seconds, used = timed(lambda e=examples, f=features, d=last: train(e, f, TARGET, d, Rules()))
        kind = trained.model.kind
        rows.append((f"training on {TRAINED:,} leads, {len(features)} features, {kind} deployed", seconds, used, 60))
        table = as_table(leads(design, SCORED, 2)[0])
        scores, seconds, used = timed(lambda t=table, f=features, m=trained.model: m.score(columns_of(t, f)))
        assert len(scores.probability) == SCORED
        what = f"scoring {SCORED:,} leads with contributions by {len(scores.blocks)} groups, {kind}"
        rows.append((what, seconds, used, 30))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    lines = [
        "# The lead score at scale",
        "",
        "Written by `make bench`: simulated leads, one process, from Arrow columns as the marts give them. One run on one",
        "machine with two cores: where other work ran beside it, the processor seconds are nearer to the truth.",
        "",
        "| step | seconds | processor seconds | at most | |",
        "|---|--:|--:|--:|---|",
        *(
            f"| {what} | {seconds:.1f} | {used:.1f} | {limit} | {'met' if seconds <= limit else 'not met'} |"
            for what, seconds, used, limit in rows
        ),
        "",
        f"Peak memory of the process: {peak:.1f} GB (at most 6).",
    ]
    text = "\n".join(lines) + "\n"
    (PROJECT / "docs" / "scoring_scale.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
