"""The review page: the published tables as one self-contained HTML file."""

from segment_signals.review.page import render_review

__all__ = ["render_review"]
