"""Files of the exports: gzipped CSV, or Parquet in parts."""

import gzip
import io
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from segment_signals.simulation.tables import Column, Table

PART_ROWS = 500_000
# How each source writes a moment; all are UTC.
STAMP_FORMATS = {
    "salesforce": "%Y-%m-%dT%H:%M:%S.000+0000",
    "hubspot": "%Y-%m-%d %H:%M:%S",
    "stripe": "%Y-%m-%d %H:%M:%S",
}
OTHER_STAMP_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


def as_text(column: Column, source: str) -> Column:
    """The column as a source writes it in a CSV file."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return column.cast(pa.string())
    if pa.types.is_timestamp(kind):
        return pc.strftime(column, format=STAMP_FORMATS.get(source, OTHER_STAMP_FORMAT))
    if pa.types.is_floating(kind):
        return column.cast(pa.decimal128(18, 2)).cast(pa.string())
    return column.cast(pa.string())


def text_table(table: Table, source: str) -> Table:
    """The table with every value as the text of a CSV file."""
    return pa.table({name: as_text(table.column(name), source) for name in table.column_names})


def csv_bytes(table: Table, delimiter: str = ",") -> bytes:
    """A table of text as CSV (UTF-8, LF), in quotes only where a value of the table needs them."""
    for style in ("none", "needed"):
        buffer = io.BytesIO()
        buffer.write((delimiter.join(table.column_names) + "\n").encode())
        options = pa.csv.WriteOptions(include_header=False, delimiter=delimiter, quoting_style=style)
        try:
            pa.csv.write_csv(table, buffer, options)
        except pa.ArrowInvalid:
            continue
        break
    return buffer.getvalue()


def write_csv(table: Table, path: Path, source: str, *, delimiter: str = ",", encoding: str = "utf-8") -> str:
    """Write <path>.csv.gz and return its name.

    Its header has no name and no time: the same table gives the same file under one zlib.
    """
    content = csv_bytes(text_table(table, source), delimiter)
    if encoding != "utf-8":
        content = content.decode("utf-8").encode(encoding)
    with (
        path.with_name(path.name + ".csv.gz").open("wb") as stream,
        gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=stream, mtime=0) as packed,
    ):
        packed.write(content)
    return path.name + ".csv.gz"


def write_parquet(table: Table, path: Path) -> str:
    """Write <path>.parquet, or the folder <path> with parts of at most PART_ROWS rows; returns its name or glob."""
    options = {"compression": "zstd", "compression_level": 1, "store_schema": False, "use_dictionary": False}
    options["use_dictionary"] = [
        name
        for name in table.column_names
        if pa.types.is_dictionary(table.schema.field(name).type) or pa.types.is_date(table.schema.field(name).type)
    ]
    if len(table) <= PART_ROWS:
        pq.write_table(table, path.with_name(path.name + ".parquet"), **options)
        return path.name + ".parquet"
    path.mkdir(parents=True, exist_ok=True)
    for part, start in enumerate(range(0, len(table), PART_ROWS)):
        pq.write_table(table.slice(start, PART_ROWS), path / f"part-{part:05d}.parquet", **options)
    return f"{path.name}/*.parquet"
