"""Ingest of described sources into a store of the test; a real PostgreSQL server."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
import postgres_server

from workbench.adapters.ingest import ingest_sources
from workbench.adapters.sources import Sources
from workbench.tables.store import TableStore


@pytest.fixture
def store(tmp_path):
    return TableStore(tmp_path / "tables")


@pytest.fixture
def ingest(tmp_path, store):
    """Ingests sources, given as dictionaries, whose files lie in the test's folder."""

    def run(*sources, folder=tmp_path):
        description = Sources.model_validate({"folder": folder, "source": list(sources)})
        return ingest_sources(store, description, key=b"k" * 32)

    return run


@pytest.fixture(scope="session")
def postgres():
    """A real server with a table of stock, a reader who may see it and one who may not."""
    folder = postgres_server.binaries()
    if folder is None:
        pytest.skip("PostgreSQL's server is not installed (Debian: apt-get install postgresql)")
    with postgres_server.running(folder) as server, server.admin() as admin:
        admin.execute(
            "CREATE TABLE stock (sku text, site text, day date, pieces numeric, note text)"
        )
        admin.execute(
            "INSERT INTO stock SELECT 'A' || i, 'S1', DATE '2024-01-01' + i, i / 2.0,"
            " CASE i WHEN 7 THEN '' WHEN 8 THEN E'two\\nlines, \"quoted\"' END"
            " FROM generate_series(1, 2000) AS t (i)"
        )
        for name in ("reader", "stranger"):
            admin.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'pw-{name}-81f3'")
        admin.execute("GRANT SELECT ON stock TO reader")
        yield server
