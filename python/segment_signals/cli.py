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
        help="write a simulated dataset whose truth is known",
        description=(
            "Writes the exports of a simulated world (Salesforce, HubSpot, Stripe, product, marketing), their"
            " mapping.yml, and truth/. The same scenario, size and seed give the same files."
        ),
    )
    simulate.add_argument(
        "--scenario", default="demo", metavar="NAME", help="demo, null, planted, dirty, tiny, scale, or a YAML file"
    )
    simulate.add_argument("--leads", type=int, metavar="N", help="number of leads (default: the scenario's)")
    simulate.add_argument("--months", type=int, metavar="M", help="length of the window (default: the scenario's)")
    simulate.add_argument(
        "--seed", type=int, default=20260101, metavar="S", help="seed of the random numbers (default: %(default)s)"
    )
    simulate.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="folder to write into")
    simulate.add_argument("--format", choices=("csv", "parquet"), default="csv", help="default: %(default)s")
    simulate.add_argument("--dataset", metavar="NAME", help="name of the dataset (default: the scenario's)")
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

    card = commands.add_parser(
        "card",
        help="print the model cards of a release",
        description="Prints the card of the newest model of a release, or of the model version that is named.",
    )
    card.add_argument(
        "release", type=Path, metavar="FOLDER", help="folder of the release, for example releases/demo/current"
    )
    card.add_argument("version", nargs="?", help="model version (default: the newest training)")
    card.set_defaults(run=_card)
    return parser


def _simulate(options: argparse.Namespace) -> int:
    from segment_signals.simulation import load_scenario, write_dataset  # imported here: only this command needs it

    try:
        parameters = load_scenario(options.scenario, leads=options.leads, months=options.months)
    except (FileNotFoundError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    truth = write_dataset(parameters, options.seed, options.out, file_format=options.format, dataset=options.dataset)
    rows = sum(truth["row_counts"].values())
    print(f"Wrote {rows:,} rows of the scenario {parameters.name} with the seed {options.seed} into {options.out}")
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


def _card(options: argparse.Namespace) -> int:
    import pyarrow.parquet as pq  # imported here: only this command needs it

    path = options.release / "parquet" / "model_registry.parquet"
    if not path.is_file():
        print(f"{options.release} has no model_registry: name a release's folder, see signals where.", file=sys.stderr)
        return 1
    rows = pq.read_table(path).sort_by([("trained_on_date", "descending"), ("model_name", "ascending")]).to_pylist()
    found = [row for row in rows if options.version in (None, row["model_version"])]
    if not found:
        known = ", ".join(str(row["model_version"]) for row in rows if row["model_version"])
        print(f"No model {options.version}. Known: {known or 'none'}.", file=sys.stderr)
        return 1
    print(found[0]["card"])
    return 0


def _verify(options: argparse.Namespace) -> int:
    from segment_signals.release import verify  # imported here: only this command needs it

    problems = verify(options.release)
    for problem in problems:
        print(problem, file=sys.stderr)
    if not problems:
        print(f"{options.release} is whole: every table and file is as its manifest says.")
    return 1 if problems else 0
