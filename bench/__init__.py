"""Measurements of speed and memory: each module runs with `python -m bench.<name>` and writes a table to docs/."""
