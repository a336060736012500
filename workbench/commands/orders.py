"""`workbench orders`: decisions become orders, and what came of them is recorded."""

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.commands.decide import AsJson, append, author, day, show
from workbench.commands.log import open_history, refuse_place
from workbench.commands.terminal import say
from workbench.contracts.printable import counted
from workbench.errors import ContractError, LogError
from workbench.workspace import Workspace, find_workspace

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from workbench.commands.deciding.order_file import OrderFile
    from workbench.decision_log.answers import Author
    from workbench.decision_log.trace import Entry

app = typer.Typer(
    help="Orders from decisions: export a file for the ERP, record orders and outcomes.",
    no_args_is_help=True,
)

Id = Annotated[str, typer.Argument(metavar="ID", help="Id of the decision.")]
Role = Annotated[str, typer.Option(help="Role in which you record it.")]


@app.command()
def export(
    out: Annotated[Path, typer.Argument(metavar="FILE", help="CSV to write for the ERP.")],
    role: Role = "planner",
    as_json: AsJson = False,
) -> None:
    """Write every decision that is not ordered yet as an order file, and enter its execution."""
    from workbench.folders import locked

    workspace = find_workspace()
    refuse_place(out)
    with locked(workspace.data / "orders"):
        file = _export(workspace, out, author(role))
    orders = len({order for _, order, _ in file.lines})
    facts = {"file": str(out), "orders": orders, "lines": len(file.lines), "zero": file.nothing}
    facts["ordered_before"] = list(file.ordered_before)
    if as_json:
        say(json.dumps(facts, indent=1))
        return
    rest = f"; {file.nothing:,} decided to order nothing" if file.nothing else ""
    lines = counted(len(file.lines), "line")
    say(f"{out}: {lines} in {counted(orders, 'order')}, all in the log{rest}")
    for sentence in file.ordered_before:
        say(sentence)


@app.command()
def execute(
    decision: Id,
    order: Annotated[str, typer.Option(help="Id of the order that was placed.")],
    line: Annotated[int, typer.Option(help="Line of that order.")] = 0,
    quantity: Annotated[
        float | None, typer.Option(help="What was ordered; default: what was decided.")
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Though the same goods are ordered already.")
    ] = False,
    role: Role = "planner",
    as_json: AsJson = False,
) -> None:
    """Record that an order was placed by hand for a decision."""
    from workbench.decision_log.executions import Order, execution_record

    workspace = find_workspace()
    placed = Order(order, line or None, quantity, again=again)
    record = execution_record(open_history(workspace), decision, placed, author(role))
    show(append(workspace, [record]), [record], as_json=as_json)


@app.command()
def outcomes(
    decision: Id,
    received: Annotated[float, typer.Option(help="What was received, in the decision's unit.")],
    on: Annotated[str, typer.Option("--date", help="By which day, YYYY-MM-DD.")],
    money: Annotated[
        float | None, typer.Option(help="What it made, or lost below 0, in its currency.")
    ] = None,
    role: Role = "analyst",
    as_json: AsJson = False,
) -> None:
    """Record what came of an ordered decision; the id of an outcome corrects it."""
    from workbench.decision_log.executions import Outcome, outcome_record

    by_day = day(on, "--date")
    if by_day is None:
        raise typer.BadParameter("--date is empty")
    workspace = find_workspace()
    outcome = Outcome(received, by_day, money)
    record = outcome_record(open_history(workspace), decision, outcome, author(role))
    show(append(workspace, [record]), [record], as_json=as_json)


def _export(workspace: Workspace, out: Path, by: "Author") -> "OrderFile":
    from workbench.commands.deciding.order_file import order_file, read_order_file
    from workbench.decision_log.executions import open_decisions, ordered_otherwise
    from workbench.folders import sync, write_durably

    history = open_history(workspace)
    staged = out.with_name(f".{out.name}.unfinished")
    file = read_order_file(staged) if staged.exists() else None
    if file and not any(history.naming_order(order, line) for _, order, line in file.lines):
        staged.unlink()  # cut off before any of it was entered
        file = None
    try:
        if file is None:
            decisions = open_decisions(history)
            twice = {
                one.id: orders for one in decisions if (orders := ordered_otherwise(history, one))
            }
            file = order_file(history, [one for one in decisions if one.id not in twice])
            file = replace(file, ordered_before=_sentences(twice))
            if not file.lines:
                raise LogError(_nothing_to_order(out, file))
            write_durably(staged, file.data)
        _enter(workspace, file, out, by)
        staged.rename(out)
        sync(out.parent)
    except ContractError:  # refused: none of it was entered
        staged.unlink(missing_ok=True)
        raise
    except OSError as error:
        raise LogError(
            f"{out}: cannot be written ({error.strerror}); expected a folder with room, mend that"
            " and run the same again."
        ) from error
    return file


def _sentences(twice: "Mapping[str, Sequence[Entry]]") -> tuple[str, ...]:
    """Of decisions whose goods another decision's order brings already, which order that is."""
    return tuple(
        f"left out: {decision}, the same was ordered as {orders[0].text('order_id')}"
        for decision, orders in twice.items()
    )


def _nothing_to_order(out: Path, file: "OrderFile") -> str:
    """Why there is no order file."""
    expected = "expected some that were accepted, overridden or approved, see 'workbench decide'."
    if not file.ordered_before:
        return f"{out}: no decision waits for its order; {expected}"
    return f"{out}: no decision waits for its order ({'; '.join(file.ordered_before)}); {expected}"


def _enter(workspace: Workspace, file: "OrderFile", out: Path, by: "Author") -> None:
    from workbench.decision_log.executions import execution_record

    history = open_history(workspace)
    orders = file.orders(out.name)
    append(workspace, [execution_record(history, name, order, by) for name, order in orders])
