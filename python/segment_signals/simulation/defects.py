"""Planted data defects: what goes wrong in the files, and which records it hits."""

from typing import Any

from segment_signals.simulation.parameters import Parameters
from segment_signals.simulation.tables import Table
from segment_signals.simulation.world import World


def damage(world: World, path: str, table: Table, file_format: str) -> tuple[Table, list[Any]]:
    """The table with its planted defects, and what they hit."""
    return table, []


def defect_counts(parameters: Parameters, harm: list[Any]) -> list[dict[str, Any]]:
    """Planted rate, eligible and realised number of every defect."""
    return []


def defect_table(harm: list[Any]) -> Table:
    """One row per record that a defect hit."""
    raise NotImplementedError
