"""Gates: Great Expectations verdicts on what came in and on what is about to be published."""
