"""Segment Signals: go-to-market analytics that publishes an honest number with its interval, or none."""

__version__ = "0.1.0"
