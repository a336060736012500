"""Small notebooks and a workspace to run them in: their parameters, cells and tables."""

import nbformat
import pandas as pd
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from pydantic import BaseModel, ConfigDict, Field

from workbench.contracts.made_from import MadeFrom, aggregated, grouped
from workbench.tables.store import TableStore
from workbench.workspace import Workspace

PARAMETERS = (
    'periods: int = 3\nshare: float = 0.5\nlabel: str = "plain"\n'
    'images_folder: str = ""\napi_token: str = ""'
)
OPEN = "from workbench.runs import artefacts\nrun = artefacts.open()"
SEGMENTS = MadeFrom({"segment": aggregated("sales.quantity")}, rows=grouped("sales.item_id"))
PROPOSE = """import pandas as pd
day = pd.Timestamp("2018-01-01")
proposals = pd.DataFrame({
    "kind": "replenishment", "item_id": ["I1", "I2"], "location_id": "DC1", "supplier_id": "V1",
    "from_location_id": "*", "valid_from": day, "valid_to": day + pd.Timedelta(7, unit="D"),
    "order_date": day, "due_date": day, "unit": "H87", "unit_cost": 2.0, "currency": "EUR",
    "before": 0.0, "proposed": [12.0, 24.0], "interval_low": 10.0, "interval_high": 30.0,
    "interval_level": 0.9, "money_at_stake": 5.0,
    "reasons": [["Stock is low.", "Demand rises."], ["Stock is low."]],
})
run.propose(proposals)"""


class SmallConfig(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    periods: int = Field(default=3, ge=1, le=10)
    share: float = Field(default=0.5, ge=0, le=1)
    label: str = "plain"
    images_folder: str = ""
    api_token: str = ""


def make_workspace(root):
    """Sales of 29 to 31 December 2017, and a simulated stock and location."""
    (root / "notebooks").mkdir(parents=True)
    (root / "workbench.toml").write_text('[workspace]\nname = "small"\ncurrency = "EUR"\n')
    space = Workspace(root, "small", "EUR")
    store = TableStore(space.tables)
    write_sales(store)
    locations = pd.DataFrame({"location_id": ["DC1"], "kind": ["dc"]})
    store.write("locations", locations, provenance="simulated", source="test")
    days = pd.date_range("2017-12-30", "2017-12-31")
    stock = pd.DataFrame(
        [(item, "DC1", day, 5.0, 0.0) for item in ("I1", "I2") for day in days],
        columns=["item_id", "location_id", "date", "on_hand", "on_order"],
    )
    store.write("stock", stock, provenance="simulated", source="test")
    return space


def write_sales(store, quantity=2.0):
    days = pd.date_range("2017-12-29", "2017-12-31")
    rows = [("I1", "S1", day, "store", quantity, 5.0) for day in days]
    names = ["item_id", "location_id", "date", "channel", "quantity", "revenue"]
    return store.write(
        "sales", pd.DataFrame(rows, columns=names), provenance="source", source="test"
    )


def write_notebook(
    workspace, name, *code, reads=(), writes=(), parameters=PARAMETERS,
    config="small_notebooks:SmallConfig", made_from=None, **metadata,
):  # fmt: skip
    """A notebook whose cells are a heading, the parameters, and a heading before each code."""
    cells = [new_markdown_cell(f"# {name}\n\nA small one.")]
    cells.append(new_code_cell(parameters, metadata={"tags": ["parameters"]}))
    for number, source in enumerate(code, 1):
        cells += [new_markdown_cell(f"## Step {number}"), new_code_cell(source)]
    document = new_notebook(cells=cells)
    document.metadata["kernelspec"] = {
        "name": "python3", "display_name": "Python 3", "language": "python",
    }  # fmt: skip
    declared = {"config": config, "reads": list(reads), "writes": list(writes), **metadata}
    declared["made_from"] = made_from or {}
    document.metadata["workbench"] = declared
    path = workspace.notebooks / f"{name}.ipynb"
    nbformat.write(document, path)
    return path
