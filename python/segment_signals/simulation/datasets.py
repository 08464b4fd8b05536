"""Write a simulated world as a dataset: the exports of every system, mapping.yml, and the truth."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from segment_signals.simulation.defects import damage, defect_counts, defect_table
from segment_signals.simulation.files import write_csv, write_parquet
from segment_signals.simulation.hubspot import HubSpot
from segment_signals.simulation.mapping import mapping_text
from segment_signals.simulation.marketing import marketing_tables
from segment_signals.simulation.parameters import Parameters
from segment_signals.simulation.product import product_tables
from segment_signals.simulation.salesforce import Salesforce
from segment_signals.simulation.stripe import Stripe
from segment_signals.simulation.tables import Table
from segment_signals.simulation.truth import Truth, json_bytes, summary
from segment_signals.simulation.world import World, simulate

FORMATS = ("csv", "parquet")
Tables = Iterator[tuple[str, Callable[[], Table]]]


def source_tables(world: World) -> dict[str, Callable[[], Tables]]:
    """The tables of every source, by the source's folder."""
    return {
        "salesforce": lambda: Salesforce(world).tables(),
        "hubspot": lambda: HubSpot(world).tables(),
        "stripe": lambda: Stripe(world).tables(),
        "product": lambda: product_tables(world),
        "marketing": lambda: marketing_tables(world),
    }


def write_dataset(
    parameters: Parameters,
    seed: int,
    folder: Path,
    *,
    file_format: str = "csv",
    dataset: str | None = None,
    data_dir: str | None = None,
    threads: int = 2,
) -> dict[str, Any]:
    """Simulate a world and write it into `folder` (made if missing); returns the content of truth/truth.json.

    The same parameters, seed and format give the same files, whatever `threads` (how many sources are written at a
    time). `data_dir`: the folder as the mapping names it (default: as given). ValueError for an unknown format.
    """
    if file_format not in FORMATS:
        raise ValueError(f"no format {file_format!r}. Use one of {list(FORMATS)}.")
    world = simulate(parameters, seed)
    folder.mkdir(parents=True, exist_ok=True)

    def write(item: tuple[str, Callable[[], Tables]]) -> tuple[dict[str, str], dict[str, int], list[Any]]:
        source, tables = item
        (folder / source).mkdir(exist_ok=True)
        files, rows, found = {}, {}, []
        for name, make in tables():
            path = f"{source}/{name}"
            table, harm = damage(world, path, make(), file_format)
            if file_format == "parquet":
                file = write_parquet(table, folder / source / name)
            else:
                planted = parameters.defects
                file = write_csv(
                    table,
                    folder / source / name,
                    source,
                    delimiter=planted.delimiters.get(path, ","),
                    encoding=planted.encodings.get(path, "utf-8"),
                )
            files[path], rows[path] = f"{source}/{file}", len(table)
            found += harm
        return files, rows, found

    with ThreadPoolExecutor(max_workers=threads) as pool:
        written = list(pool.map(write, source_tables(world).items()))
    files = {path: file for part in written for path, file in part[0].items()}
    rows = {path: count for part in written for path, count in part[1].items()}
    harm = [item for part in written for item in part[2]]

    (folder / "truth").mkdir(exist_ok=True)
    for name, make in Truth(world, harm).tables():
        write_parquet(make(), folder / "truth" / name)
    if harm:
        write_parquet(defect_table(harm), folder / "truth" / "defects")
    content = summary(world, rows, defect_counts(harm))
    (folder / "truth" / "truth.json").write_bytes(json_bytes(content))
    if file_format == "csv":
        for path, encoding in parameters.defects.encodings.items():
            if path.split("/")[0] in ("product", "marketing"):
                files[path] += f"\n    encoding: {encoding}"
    text = mapping_text(parameters, seed, dataset or parameters.name, data_dir or folder.as_posix(), files)
    (folder / "mapping.yml").write_text(text, encoding="utf-8")
    return content
