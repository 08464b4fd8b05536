"""Probabilities learned from records: what the lead score and the churn risk share. Arrays in, arrays and rows out.

How to call it:

    features = [Feature("age_days", "timing"), Feature("industry", "fit", CATEGORY), ...]
    columns = columns_of(arrow_table, features)              # float arrays, `Categories` for text
    examples = Examples(entity, group, at, label, columns)   # one row per entity and landmark (score day)
    target = Target("lead_score", "Lead score", "lead", "conversion", "reaches the stage won", 90, definitions, labels)
    trained = train(examples, features, target, trained_on=day, rules=Rules.of(thresholds))
    trained.model is None  ->  trained.refusal says why (code and sentence); trained.alarms name leaks either way
    scores = trained.model.score(columns)                    # probability; log-odds per feature group that add up
    document = registry.to_json(trained.model)               # plain data; registry.from_json reads it back
    row = registry.registry_row(target, trained, ...)        # the row of the registry, with the card in markdown

- `at` is the landmark as days since 1970-01-01: features know nothing later, the label is what happened within
  the target's horizon after it. `label` is 1, 0, or NaN where the window is not over; `train` uses only rows whose
  window is over on `trained_on`, whatever else is given, so training for a past day gives what it gave then.
- `group` keeps together what belongs together (account): no group is on both sides of a split, and intervals are by it.
- `undated=True` for lists without any landmark: models of five folds, each scores the fold that it has not seen.
- `quality.measure(...)` gives the metrics with intervals of any scores beside what came; `quality.stability(...)` the
  population stability of today's scores.

Training is deterministic: same rows in same order, same bytes. BLAS and OpenMP run on one thread inside.
"""

from segment_signals.learning.examples import (
    CATEGORY,
    NUMBER,
    Categories,
    Columns,
    Examples,
    Feature,
    Refusal,
    Rules,
    Target,
    columns_of,
)
from segment_signals.learning.model import Model, Scores
from segment_signals.learning.training import Trained, train

__all__ = [
    "CATEGORY",
    "NUMBER",
    "Categories",
    "Columns",
    "Examples",
    "Feature",
    "Model",
    "Refusal",
    "Rules",
    "Scores",
    "Target",
    "Trained",
    "columns_of",
    "train",
]
