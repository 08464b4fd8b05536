"""Fingerprints of what a release is made of: the export's files, and the project's own code."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import segment_signals
from segment_signals.sources.files import find_files, find_tables
from segment_signals.sources.mapping import MAPPING_FILE, load_mapping
from segment_signals.sources.messages import ExportError

_CODE_FILES = ("dbt_project.yml", "requirements.lock")
_CODE_FOLDERS = ("models", "macros", "expectations", "python/segment_signals")
_CODE_SUFFIXES = {".py", ".html", ".css", ".js", ".j2", ".sql", ".yml", ".json"}


def input_hash(project_dir: Path, data_dir: str, landed: str = "") -> str:
    """The sha256, in hex, of the mapping and of every file it names, by name and content.

    Names are those within the source's folder, so the same files have the same hash wherever they lie. What is
    read from a replica has no file: '+' and the fingerprint of its rows is appended, taken from `landed`, the
    input hash of the build.
    Raises ExportError where the mapping is wrong, or a file it names is missing or cannot be read.
    """
    project = Path(os.path.abspath(project_dir))
    mapping = load_mapping(project, data_dir)
    named = {(file.name, file.label, file.path) for found in find_files(mapping, project).values() for file in found}
    for native in (native for native in mapping.natives if native.replica is None):
        tables = find_tables(native, mapping.label, project)
        named |= {(f"{native.name}/{file.name}", file.label, file.path) for found in tables.values() for file in found}
    combined = hashlib.sha256()
    for name, label, path in [("", mapping.label, mapping.folder / MAPPING_FILE), *sorted(named)]:
        try:
            with path.open("rb") as stream:
                content = hashlib.file_digest(stream, "sha256").digest()
        except OSError as error:
            raise ExportError(
                f"{label} cannot be read ({error.strerror}). Check the file, or export it again."
            ) from error
        combined.update(name.encode("utf-8", "surrogateescape") + b"\0" + content)
    return "+".join([combined.hexdigest(), *landed.split("+")[1:]])


def code_version(project_dir: Path) -> str:
    """The package's version, '+', and 12 hex digits of the sha256 of the project's own code.

    Line ends do not count, for a checkout may change them; what does not exist is left out.
    """
    combined = hashlib.sha256()
    for name, path in sorted(_code_files(project_dir)):
        content = path.read_bytes().replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        combined.update(name.encode("utf-8", "surrogateescape") + b"\0" + hashlib.sha256(content).digest())
    return f"{segment_signals.__version__}+{combined.hexdigest()[:12]}"


def _code_files(project_dir: Path) -> Iterator[tuple[str, Path]]:
    for name in _CODE_FILES:
        if (path := project_dir / name).is_file():
            yield name, path
    for folder in _CODE_FOLDERS:
        for path in (project_dir / folder).rglob("*"):
            if path.suffix in _CODE_SUFFIXES and path.is_file():
                yield path.relative_to(project_dir).as_posix(), path
