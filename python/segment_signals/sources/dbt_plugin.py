"""dbt-duckdb plugin: lets `on-run-start` read the dataset's files before anything is built."""

import json
import weakref
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
from dbt.adapters.duckdb.plugins import BasePlugin

from segment_signals.sources.reader import ExportError, read_sources


class Plugin(BasePlugin):
    """Registers the SQL function `read_sources(arguments)`, which lands the raw tables."""

    def initialize(self, plugin_config: dict[str, Any]) -> None:
        """Take the key of e-mail addresses from the profile, which no manifest and no log holds."""
        self._email_key = str(plugin_config.get("email_key") or "")

    def configure_connection(self, conn: duckdb.DuckDBPyConnection) -> None:
        """Register the function; it returns the error message, or '' when the raw tables stand.

        The files are read through a cursor of the same database, since the calling query holds its own. The
        function keeps a weak reference: a strong one would tie the connection to itself and leak it.
        """
        connection = weakref.ref(conn)

        def read(arguments: str) -> str:
            owner = connection()
            if owner is None:
                return "The connection to the build file was closed while its inputs were read. Run the build again."
            options: dict[str, Any] = json.loads(arguments)
            cursor = owner.cursor()
            try:
                as_of_date = _as_date(options["as_of_date"])
                read_sources(
                    cursor,
                    Path.cwd(),
                    options["data_dir"],
                    reporting_timezone=options["reporting_timezone"],
                    as_of_date=as_of_date,
                    sources=options["sources"],
                    dimension_attributes=options["dimension_attributes"],
                    custom_columns=options["custom_columns"],
                    email_key=self._email_key,
                )
            except ExportError as error:
                return str(error)
            finally:
                cursor.close()
            return ""

        conn.create_function("read_sources", read, ["VARCHAR"], "VARCHAR", side_effects=True)


def _as_date(value: str | None) -> date | None:
    try:
        return date.fromisoformat(value) if value else None
    except ValueError:
        raise ExportError(f"as_of_date is {value!r}, which is no date. Write it as 2025-12-31.") from None
