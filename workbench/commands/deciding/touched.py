"""What a run's proposals meet in the decision log: answers and orders for the same days."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

from workbench.contracts.printable import counted
from workbench.workspace import Workspace

if TYPE_CHECKING:
    from workbench.decision_log.trace import DecisionHistory, Entry

_PROPOSALS: Final = "tables/proposals.parquet"
_COLUMNS: Final = ["item_id", "location_id", "kind", "valid_from", "valid_to"]


def touched(workspace: Workspace, report: Path) -> list[str]:
    """Sentences on how many of a run's proposals are answered or ordered already; none if none.

    Args:
        workspace: With the log that holds the proposals.
        report: Folder of the run's report.

    Raises:
        LogError: The log cannot be read.
    """
    import pandas as pd

    from workbench.commands.log import open_history

    if not (report / _PROPOSALS).is_file():
        return []
    rows = pd.read_parquet(report / _PROPOSALS, columns=_COLUMNS).dropna(subset=_COLUMNS[-2:])
    if rows.empty:
        return []
    history = open_history(workspace)
    first, end = rows["valid_from"].min().date(), rows["valid_to"].max().date()
    found = [(_key(history, entry), entry) for entry in history.answered_in(first, end)]
    proposed = set(rows[["item_id", "location_id", "kind"]].astype(str).itertuples(index=False))
    ordered = {key for key, entry in found if entry.kind == "execution"} & proposed
    answered = ({key for key, _ in found} & proposed) - ordered
    sentences = []
    if answered:
        sentences.append(
            f"{counted(len(answered), 'proposal')} for what is answered already: those answers"
            " hold and are exported, the new proposals wait behind them"
        )
    if ordered:
        sentences.append(
            f"{counted(len(ordered), 'proposal')} for what is ordered already, which this plan"
            " counts only as far as purchase_orders has it: see 'workbench trace --item'"
        )
    return sentences


def _key(history: "DecisionHistory", entry: "Entry") -> tuple[str, str, str]:
    """Item, location and topic, as the rows of a run have them."""
    item, location = history.about(entry, "item_id"), history.about(entry, "location_id")
    return item or "", location or "", history.topic(entry) or ""
