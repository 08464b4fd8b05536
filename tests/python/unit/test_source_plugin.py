"""The dbt plugin: the key of e-mail addresses reaches the reader, and stays nowhere."""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path

import pytest
import yaml

from tests.python.conftest import dataset

KEY = "zq7-the-key-of-this-test-9xv"


def test_the_key_hashes_addresses_and_is_written_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    columns = {"person_id": "Id", "created_at": "At", "email": "Mail"}
    made = dataset(
        tmp_path / "acme",
        {"sources": ["export"], "entities": {"people": {"file": "people.csv", "columns": columns}}, "dimensions": {}},
        {"people.csv": "Id,At,Mail\nP1,2024-01-02,Ann@Acme.com\n"},
    )
    monkeypatch.setenv("SEGMENT_SIGNALS_EMAIL_KEY", KEY)
    done = made.dbt("run", "--select", "stg_export__people")
    assert done.returncode == 0, done.stdout + done.stderr
    expected = hmac.new(KEY.encode(), b"ann@acme.com", hashlib.sha256).hexdigest()
    assert made.rows("select email_hash, email_domain from raw.export_people") == [(expected, "acme.com")]
    assert KEY not in done.stdout + done.stderr
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {"manifest.json", "dbt.log", "acme.duckdb"} <= {path.name for path in written}
    assert [path.name for path in written if KEY.encode() in path.read_bytes()] == []
    monkeypatch.delenv("SEGMENT_SIGNALS_EMAIL_KEY")
    done = made.dbt("run", "--select", "stg_export__people")
    assert done.returncode == 0, done.stdout + done.stderr
    assert made.rows("select email_hash, email_domain from raw.export_people") == [(None, "acme.com")]


def test_a_mapping_without_sources_stops_dbt_with_the_mend(tmp_path: Path) -> None:
    made = dataset(
        tmp_path / "acme",
        {"entities": {"owners": {"file": "owners.csv", "columns": {"owner_id": "Id"}}}, "dimensions": {}},
        {"owners.csv": "Id\nU1\n"},
    )
    mapping = made.folder / "mapping.yml"
    document = {key: value for key, value in yaml.safe_load(mapping.read_text()).items() if key != "sources"}
    mapping.write_text(yaml.safe_dump(document))
    done = made.dbt("run", "--select", "stg_export__owners")
    assert done.returncode != 0
    assert "sources is missing. List what the dataset is read from, for example sources: [export]." in done.stdout
