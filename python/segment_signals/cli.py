"""The command `signals`: what dbt itself does not do."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from segment_signals import __version__


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code: 0, or 1 where something is wrong with what was named."""
    parser = _parser()
    options = parser.parse_args(arguments)
    result: int = options.run(options)
    return result


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="signals",
        description="Segment Signals beside dbt. The build itself is `dbt build`, or `make build`.",
    )
    parser.add_argument("--version", action="version", version=f"segment-signals {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    simulate = commands.add_parser(
        "simulate",
        help="write the simulated Salesforce export of the demo",
        description="Writes a simulated Salesforce export and its planted truth. The same seed gives the same bytes.",
    )
    simulate.add_argument("--output", type=Path, required=True, metavar="FOLDER", help="folder to write into")
    simulate.add_argument(
        "--seed", type=int, default=20260101, help="seed of the random numbers (default: %(default)s)"
    )
    simulate.set_defaults(run=_simulate)

    where = commands.add_parser(
        "where",
        help="print where the current release of a dataset and its review page are",
        description="Prints the folder of the current release of a dataset, its database and its review page.",
    )
    where.add_argument("dataset", nargs="?", default="demo", help="name of the dataset (default: %(default)s)")
    where.add_argument("--releases", type=Path, default=Path("releases"), metavar="FOLDER", help="default: %(default)s")
    where.set_defaults(run=_where)

    verify = commands.add_parser(
        "verify",
        help="check a release against its manifest",
        description="Hashes a release again and says what differs from its manifest.",
    )
    verify.add_argument(
        "release",
        type=Path,
        metavar="FOLDER",
        help="folder of the release, for example releases/demo/current",
    )
    verify.set_defaults(run=_verify)
    return parser


def _simulate(options: argparse.Namespace) -> int:
    from segment_signals.simulation import write_demo  # imported here: only this command needs it

    options.output.mkdir(parents=True, exist_ok=True)
    write_demo(options.output, options.seed)
    print(f"Wrote a simulated Salesforce export with the seed {options.seed} into {options.output}")
    return 0


def _where(options: argparse.Namespace) -> int:
    release = options.releases / options.dataset / "current"
    if not release.exists():
        print(f"No release of {options.dataset} in {options.releases}: run make build first.", file=sys.stderr)
        return 1
    print(f"Release      {options.releases / options.dataset / release.resolve().name}")
    print(f"For BI       {release / (options.dataset + '.duckdb')} (read-only), or {release / 'parquet'}")
    print(f"Review page  {release / 'review.html'}")
    return 0


def _verify(options: argparse.Namespace) -> int:
    from segment_signals.release import verify  # imported here: only this command needs it

    problems = verify(options.release)
    for problem in problems:
        print(problem, file=sys.stderr)
    if not problems:
        print(f"{options.release} is whole: every table and file is as its manifest says.")
    return 1 if problems else 0
