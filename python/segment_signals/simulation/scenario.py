"""Scenarios: YAML files that say what a world is like.

A scenario may extend another one by its name: mappings are merged, everything else is replaced.
`no_effects: true` takes every effect out, so that no segment differs.
"""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from datetime import date
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import yaml

from segment_signals.simulation.parameters import NO_EFFECT, DealTier, Parameters

FOLDER = Path(__file__).parent / "scenarios"


def scenario_names() -> list[str]:
    """Names of the scenarios that come with the package."""
    return sorted(path.stem for path in FOLDER.glob("*.yml"))


def load_scenario(scenario: str | Path, *, leads: int | None = None, months: int | None = None) -> Parameters:
    """The parameters of a scenario: a name of ours, or a YAML file. `leads` and `months` replace the scenario's.

    ValueError or FileNotFoundError, with the mend, where the scenario is wrong or not there.
    """
    content = _read(scenario)
    content.update({key: value for key, value in (("leads", leads), ("months", months)) if value is not None})
    no_effects = content.pop("no_effects", False)
    parameters = _build(Parameters, content, "")
    assert isinstance(parameters, Parameters)
    return without_effects(parameters) if no_effects else parameters


def without_effects(parameters: Parameters) -> Parameters:
    """The same world in which no segment differs from another one in rates, times or amounts."""

    def plain(levels: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(replace(level, effects=NO_EFFECT, slower=NO_EFFECT) for level in levels)

    median = parameters.sizes[len(parameters.sizes) // 2].amount_median_usd
    return replace(
        parameters,
        lead_sources=plain(parameters.lead_sources),
        outbound=replace(parameters.outbound, effects=NO_EFFECT, slower=NO_EFFECT),
        regions=plain(parameters.regions),
        countries=tuple(replace(country, effects=NO_EFFECT) for country in parameters.countries),
        industries=plain(parameters.industries),
        sizes=tuple(replace(band, amount_median_usd=median) for band in plain(parameters.sizes)),
        motions=plain(parameters.motions),
        deal_tiers=tuple(DealTier(tier.name, tier.below_usd) for tier in parameters.deal_tiers),
        channels=tuple(replace(channel, effect=0.0) for channel in parameters.channels),
        customers=replace(parameters.customers, small_company_effect=0.0),
        shifts=(),
        mix_changes=(),
    )


def _read(scenario: str | Path) -> dict[str, Any]:
    path = Path(scenario)
    if path.suffix not in (".yml", ".yaml"):
        path = FOLDER / f"{scenario}.yml"
    if not path.is_file():
        raise FileNotFoundError(f"no scenario {str(scenario)!r}. Name a YAML file, or one of {scenario_names()}.")
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise ValueError(f"{path.name} is not a mapping of parameters. Start from scenarios/tiny.yml.")
    parent = content.pop("extends", None)
    content.setdefault("name", path.stem)
    return content if parent is None else _merged(_read(parent), content)


def _merged(base: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in change.items():
        old = merged.get(key)
        merged[key] = _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def _build(kind: Any, value: Any, place: str) -> Any:
    """The value as the type says: dataclasses from mappings, tuples from lists; ValueError with its place."""
    origin, arguments = get_origin(kind), get_args(kind)
    if is_dataclass(kind):
        if not isinstance(value, dict):
            raise ValueError(f"{place} is {value!r}, not a mapping. Give its parameters by name.")
        hints = get_type_hints(kind)
        known = [field.name for field in fields(kind)]
        for key in value:
            if key not in known:
                raise ValueError(f"{f'{place}.{key}'.lstrip('.')} is no parameter. Use one of {known}.")
        built = {key: _build(hints[key], item, f"{place}.{key}".lstrip(".")) for key, item in value.items()}
        try:
            return kind(**built)  # type: ignore[operator]
        except TypeError as error:
            raise ValueError(f"{place or 'the scenario'} is not complete: {error}. Give all its parameters.") from error
    if origin is tuple:
        if not isinstance(value, list) or (arguments[-1] is not Ellipsis and len(value) != len(arguments)):
            size = "" if arguments[-1] is Ellipsis else f" of {len(arguments)}"
            raise ValueError(f"{place} is {value!r}. Give a list{size}.")
        kinds = [arguments[0]] * len(value) if arguments[-1] is Ellipsis else arguments
        return tuple(_build(k, item, f"{place}[{i}]") for i, (k, item) in enumerate(zip(kinds, value, strict=True)))
    if origin is dict:
        if not isinstance(value, dict):
            raise ValueError(f"{place} is {value!r}, not a mapping. Give values by name.")
        return {str(key): _build(arguments[1], item, f"{place}.{key}") for key, item in value.items()}
    if origin in (Union, UnionType):
        return None if value is None else _build(next(a for a in arguments if a is not type(None)), value, place)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind in (str, int, float, bool, date) and type(value) is kind:
        return value
    raise ValueError(f"{place} is {value!r}. Give a value of the type {getattr(kind, '__name__', kind)}.")
