"""A workspace whose tables dbt reads and whose export is ingested again."""

import json
import os
import shutil
import subprocess
from pathlib import Path

from typer.testing import CliRunner

from workbench.cli import app
from workbench.tables.store import TableStore

ROOT = Path(__file__).resolve().parent.parent.parent
PROJECT = Path(__file__).resolve().parent / "dbt_project"
DBT = Path(os.environ.get("WORKBENCH_DBT", ROOT / ".venv-dbt")).absolute() / "bin" / "dbt-ol"
SOURCES = """
[[source]]
name = "weekly units of dbt"
kind = "parquet"
path = "weekly_units.parquet"
table = "signals"
[source.columns]
name = "name"
location_id = "location_id"
date = "date"
value = "value"
"""


def build(root: Path) -> None:
    """The example's tables, exported by dbt and ingested again; the current folder is `root`."""
    (root / "exports").mkdir(parents=True)
    (root / "workbench.toml").write_text(_settings(root))
    (root / "exports" / "SOURCES.toml").write_text(SOURCES)
    done("ingest", ROOT / "notebooks/sources/example/SOURCES.toml")
    run_dbt(root)
    done("lineage", "import", "dbt.ndjson")
    done("ingest", "exports/SOURCES.toml")


def _settings(root: Path) -> str:
    space = f"duckdb://{root / 'warehouse.duckdb'}"
    return f"""[workspace]
name = "shop"
[lineage.symlinks]
sales = {{ namespace = "{space}", name = "warehouse.main.sales" }}
"exports/weekly_units.parquet" = {{ namespace = "{space}", name = "warehouse.main.weekly_units" }}
"""


def done(*command: object) -> str:
    """What a command of ours printed."""
    result = CliRunner().invoke(app, [str(part) for part in command])
    assert result.exit_code == 0, result.output or result.exception
    return result.output


def run_dbt(root: Path) -> None:
    """`dbt-ol run` in its own environment; its events go to `dbt.ndjson`."""
    project = shutil.copytree(PROJECT, root / "project")
    sales = TableStore(root / "data" / "tables").current("sales")
    transport = {"type": "file", "log_file_path": str(root / "dbt.ndjson"), "append": True}
    environment = {
        "PATH": f"{DBT.parent}:{os.environ['PATH']}", "HOME": str(root), "DO_NOT_TRACK": "1",
        "DBT_PROFILES_DIR": str(project), "WAREHOUSE": str(root / "warehouse.duckdb"),
        "SALES_FILES": str(sales.path / "part-*.parquet"), "LANG": "C.UTF-8",
        "EXPORT": str(root / "exports" / "weekly_units.parquet"), "OPENLINEAGE_NAMESPACE": "dbt",
        "OPENLINEAGE__TRANSPORT": json.dumps(transport),
    }  # fmt: skip
    ran = subprocess.run(
        [DBT, "run"], cwd=project, env=environment, capture_output=True, text=True, timeout=300
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
