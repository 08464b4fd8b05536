"""YAML as a person writes it: every slip is one sentence with its line."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from segment_signals.sources.messages import ExportError


class _UniqueKeys(yaml.constructor.SafeConstructor):
    """Refuses a key given twice, where plain YAML silently keeps the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable) and key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key '{key}' is there twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


class _Loader(_UniqueKeys, yaml.SafeLoader):
    """Safe YAML; its errors say what is wrong and where."""


class _FastLoader(_UniqueKeys, getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """The same, many times as fast where the library was built with its parser in C, whose errors say less."""


def load_yaml(path: Path, label: str, if_absent: str, if_empty: str) -> dict[str, Any]:
    """The keys of a YAML file; `if_absent` and `if_empty` say how to mend a file that is missing or holds none.

    Raises ExportError where it cannot be read.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ExportError(f"{label} is not UTF-8 text. Save the file as UTF-8.") from error
    except OSError as error:
        raise ExportError(f"{label} does not exist. {if_absent}") from error
    try:
        document = _parse(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark else ""
        raise ExportError(f"{label}{line}: not valid YAML ({error.problem}). Mend that line.") from error
    except yaml.YAMLError as error:
        raise ExportError(f"{label}: not valid YAML ({str(error).splitlines()[0]}). Mend the file.") from error
    except ValueError as error:  # a scalar that looks like a date and is none, such as 2024-02-30
        raise ExportError(f"{label}: not valid YAML ({error}). Mend or quote that value.") from error
    if not isinstance(document, dict):
        raise ExportError(f"{label} holds no keys. {if_empty}")
    return {str(key): value for key, value in document.items()}


def _parse(text: str) -> Any:
    try:
        return yaml.load(text, _FastLoader)
    except (yaml.YAMLError, ValueError):
        return yaml.load(text, _Loader)
