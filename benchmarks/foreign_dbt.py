"""dbt's lineage and ours as one graph: runs both for real and records what the graph answers.

Run: python -m benchmarks.foreign_dbt [--out FILE]

Needs dbt in an environment of its own: `make foreign-dbt` makes it.
"""

import argparse
import json
import os
import sys
import tempfile
from collections import Counter
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests" / "foreign"))

from dbt_shop import DBT, PROJECT, build, done  # noqa: E402

OUT = HERE / "results" / "foreign_dbt.md"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    if not DBT.exists():
        print(f"foreign_dbt: no dbt at {DBT}; 'make foreign-dbt' installs it. Nothing measured.")
        return
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve() / "shop"
        root.mkdir()
        os.chdir(root)
        build(root)
        text = page(root)
    options.out.write_text(text, encoding="utf-8")


def page(root: Path) -> str:
    theirs = [json.loads(line) for line in (root / "dbt.ndjson").open()]
    kinds = Counter(f"{one['job']['namespace']} {one['eventType']}" for one in theirs)
    pins = [
        line for line in (PROJECT / "requirements.txt").read_text().splitlines() if "==" in line
    ]
    parts = [
        "# dbt and the workbench in one lineage graph",
        f"`python -m benchmarks.foreign_dbt`: {', '.join(pins)} in an environment of their own,"
        f" openlineage-python {version('openlineage-python')} here.",
        "The example business's `sales`, ingested by us, are a view of a DuckDB warehouse; dbt"
        " makes `sales_by_week` and exports `weekly_units` as Parquet; we ingest that as `signals`."
        " `workbench.toml` says that `sales` and the exported file are tables of that warehouse.",
        f"dbt left {len(theirs)} events ({', '.join(f'{k}: {n}' for k, n in kinds.items())}), all"
        " valid and imported; importing them again adds none:",
        _block(done("lineage", "import", "dbt.ndjson"), root),
        "`workbench lineage graph signals`:",
        _block(done("lineage", "graph", "signals"), root),
        "`workbench lineage graph signals.value`, columns through both:",
        _block(done("lineage", "graph", "signals.value"), root),
        "`workbench lineage graph sales`:",
        _block(done("lineage", "graph", "sales"), root),
        "`workbench lineage validate`:",
        _block(done("lineage", "validate"), root),
    ]
    return "\n\n".join(parts) + "\n"


def _block(text: str, root: Path) -> str:
    shown = text.replace(str(root), "/srv/shop").replace(str(HERE.parent), "/srv/workbench")
    return f"```\n{shown.strip()}\n```"


if __name__ == "__main__":
    main()
