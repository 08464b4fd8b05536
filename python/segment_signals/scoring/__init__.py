"""Lead scores: models by quarter, scores as of each month end, what they are made of, and how good they were."""
