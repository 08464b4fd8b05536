"""The releases folder: its lock, its temporary folders, its releases and `current`."""

import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import IO, Any

from segment_signals.release.errors import ReleaseRefused

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # not a POSIX system
    fcntl = None

MANIFEST = "manifest.json"
GATE_REPORT = "gate_report.csv"
REVIEW = "review.html"
PARQUET = "parquet"
RELEASE_TABLE = "release"
CURRENT = "current"
LOCK = ".publish.lock"
LOCK_WAIT_SECONDS = 60.0

_TEMPORARY = ".tmp-"
_RELEASE_NAME = re.compile(r"(\d{4}-\d{2}-\d{2})-[0-9a-f]{12}")


@contextmanager
def releases_lock(releases_dir: Path, wait_seconds: float) -> Iterator[None]:
    """Hold the releases folder for one publish; ReleaseRefused when another one keeps it for `wait_seconds`.

    With flock the system frees the lock of a killed process. Elsewhere the file itself is the lock.
    """
    path = releases_dir / LOCK
    if fcntl is not None:
        with path.open("a") as file:
            _wait(lambda: _flock(file), path, wait_seconds, "")
            yield
    else:
        _wait(lambda: _create(path), path, wait_seconds, f" If no publish is running, delete {path.name}.")
        try:
            yield
        finally:
            path.unlink()


def _wait(acquired: Callable[[], bool], path: Path, wait_seconds: float, hint: str) -> None:
    """Try until acquired; the clock only decides how long to wait, nothing that is published."""
    deadline = time.monotonic() + wait_seconds
    while not acquired():
        if time.monotonic() >= deadline:
            raise ReleaseRefused(
                f"Another publish holds {path.parent.name}/{path.name} (waited {wait_seconds:g} s). "
                f"Wait until it has ended and run `dbt build` again.{hint}"
            )
        time.sleep(0.1)


def _flock(file: IO[str]) -> bool:
    assert fcntl is not None  # the caller checked
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _create(path: Path) -> bool:
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    except FileExistsError:
        return False
    return True


def remove_leftovers(releases_dir: Path) -> None:
    """Remove what a killed publish left. To be called under the lock: any `.tmp-` entry then has no owner."""
    for entry in releases_dir.glob(f"{_TEMPORARY}*"):
        if entry.is_symlink():
            entry.unlink()
        elif entry.is_dir():
            shutil.rmtree(entry)


@contextmanager
def temporary_folder(releases_dir: Path, release_id: str) -> Iterator[Path]:
    """A new folder beside the releases (a rename needs one file system); gone afterwards unless renamed."""
    folder = releases_dir / f"{_TEMPORARY}{release_id}-{secrets.token_hex(4)}"
    folder.mkdir()
    try:
        yield folder
    finally:
        if folder.exists():
            shutil.rmtree(folder)


def seal(folder: Path) -> None:
    """Make every file below the folder read-only and durable."""
    folders = [folder]
    for path in sorted(folder.rglob("*")):
        if path.is_dir():
            folders.append(path)
        else:
            path.chmod(0o444)
            _fsync(path)
    for path in reversed(folders):
        _fsync(path)


def move_into_place(folder: Path, target: Path) -> None:
    """Rename the sealed folder to its release name and make the rename durable."""
    os.rename(folder, target)
    _fsync(target.parent)


def _fsync(path: Path) -> None:
    if path.is_dir() and os.name != "posix":
        return  # only POSIX opens folders
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """The release's manifest, None when it is missing or unreadable."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return manifest if isinstance(manifest, dict) else None


def write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write the manifest with sorted keys, so that equal releases have equal manifests."""
    text = json.dumps(manifest, indent=2, sort_keys=True, ensure_ascii=False)
    (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")


def manifests(releases_dir: Path) -> dict[str, dict[str, Any]]:
    """Release id (as the folder's name has it) -> manifest of every release in the folder."""
    found = {}
    for folder in sorted(releases_dir.iterdir()):
        if _RELEASE_NAME.fullmatch(folder.name) and folder.is_dir():
            manifest = read_manifest(folder)
            if manifest is None or not {"as_of_date", "supersedes", "tables"} <= manifest.keys():
                raise ReleaseRefused(
                    f"The release {folder.name} has no readable {MANIFEST}, so what it published is unknown. "
                    "Restore the folder from a copy, or move it out of the releases folder."
                )
            found[folder.name[11:]] = manifest
    return found


def present_current(releases_dir: Path) -> Path | None:
    """The release that `current` points to; None when there is none, or it was deleted.

    Raises ReleaseRefused when `current` is something that this package did not make.
    """
    link = releases_dir / CURRENT
    if not link.is_symlink():
        if link.exists():
            raise ReleaseRefused(
                f"{releases_dir.name}/{CURRENT} is not a link to a release. Move it away and run `dbt build` again."
            )
        return None
    target = link.resolve()
    if not _RELEASE_NAME.fullmatch(target.name):
        raise ReleaseRefused(
            f"{releases_dir.name}/{CURRENT} points to '{target.name}', which is no release. "
            "Delete the link and run `dbt build` again."
        )
    return target if target.is_dir() else None


def newest_release(published: Mapping[str, Mapping[str, Any]], as_of_date: date, current: Path | None) -> str | None:
    """Id of the release of this as-of date that no other one supersedes; None when the date is new.

    Releases carry no clock, so "newest" is the end of the chain of `supersedes`. Several ends exist only
    where folders were brought together by hand: then the one that `current` points to, else the last by id.
    """
    superseded = {manifest["supersedes"] for manifest in published.values()}
    ends = [
        release_id
        for release_id, manifest in published.items()
        if manifest["as_of_date"] == as_of_date.isoformat() and release_id not in superseded
    ]
    return max(ends, key=lambda end: (current is not None and current.name.endswith(end), end), default=None)


def settle_current(releases_dir: Path, folder_name: str) -> None:
    """Point `current` to the release unless it shows a later as-of date, or another one supersedes this one.

    A superseded release can be built again (it is a no-op), but it does not come back unnoticed: `current`
    stays with the restatement, whose reason is on record.
    """
    as_of_date, release_id = folder_name[:10], folder_name[11:]
    current = present_current(releases_dir)
    if current is not None and (current.name == folder_name or current.name[:10] > as_of_date):
        return
    if any(manifest["supersedes"] == release_id for manifest in manifests(releases_dir).values()):
        return
    link = releases_dir / f"{_TEMPORARY}{CURRENT}-{secrets.token_hex(4)}"
    os.symlink(folder_name, link, target_is_directory=True)
    os.replace(link, releases_dir / CURRENT)
    _fsync(releases_dir)
