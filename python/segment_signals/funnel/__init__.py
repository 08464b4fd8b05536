"""Inference on the funnel: marts in as Arrow tables, signals out as Arrow tables with declared types."""
