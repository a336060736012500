"""A journal and real table versions for the lineage suite."""

import sys
from pathlib import Path

import pandas as pd
import pytest

from workbench.lineage.journal import Journal
from workbench.tables import TableStore

sys.path.insert(0, str(Path(__file__).resolve().parent))  # for `journals`


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path / "lineage")


@pytest.fixture(scope="session")
def store(tmp_path_factory):
    return TableStore(tmp_path_factory.mktemp("store") / "tables")


@pytest.fixture(scope="session")
def suppliers(store):
    rows = pd.DataFrame({"supplier_id": ["S1", "S2", "S3"], "country": ["NL", "DE", None]})
    return store.write("suppliers", rows, provenance="source", source="supplier list")


@pytest.fixture(scope="session")
def locations(store, suppliers):
    rows = pd.DataFrame({"location_id": ["DC1"], "kind": ["dc"]})
    return store.write(
        "locations", rows, provenance="simulated", source="test", parents=[suppliers]
    )
