"""What is known of a real set from outside is found, to the row."""

from workbench.adapters.ingest import ingest_sources
from workbench.adapters.sources import load_sources
from workbench.readiness.audit import Surroundings, audit
from workbench.readiness.config import ReadinessConfig
from workbench.resources import resource
from workbench.tables.store import TableStore


def test_online_retail_credit_notes_and_exact_repeats_are_counted(shared, tmp_path):
    # pandas over the 541,909 rows: 9,288 invoice numbers begin with C, 5,268 rows repeat another
    store = TableStore(tmp_path / "tables")
    described = load_sources(
        resource("notebooks/sources/online_retail.toml"), shared("data/online_retail")
    )
    chosen = [one for one in described.source if one.table in ("order_lines", "returns")]
    ingest_sources(store, described.model_copy(update={"source": chosen}), key=b"k" * 32)
    result = audit(
        store.query, ["order_lines", "returns"], config=ReadinessConfig(),
        surroundings=Surroundings(contracts_kept=True),
    )  # fmt: skip
    affected = result.checks.set_index("check_id")["rows_affected"]
    assert affected["returns-credited"] == 9_288
    assert affected["lines-repeated"] + affected["returns-repeated"] == 5_268
