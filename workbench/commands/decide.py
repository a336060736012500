"""`workbench decide`: what people answer to proposals, entered in the decision log."""

import json
import os
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.commands.log import open_history
from workbench.commands.terminal import say
from workbench.contracts.printable import one_line
from workbench.errors import ImmutableError, LogError
from workbench.workspace import Workspace, find_workspace

if TYPE_CHECKING:
    from workbench.contracts.records import DecisionRecord
    from workbench.decision_log.answers import Author
    from workbench.decision_log.append import Appended

app = typer.Typer(
    help="Answer proposals: accept, override, reject, approve, one or a file of them.",
    no_args_is_help=True,
)

Id = Annotated[str, typer.Argument(metavar="ID", help="Id of the decision that is answered.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print facts as JSON.")]
Role = Annotated[str, typer.Option(help="Role in which you answer.")]
Reason = Annotated[str, typer.Option(help="Why, in a sentence; stays in the log for ever.")]
Code = Annotated[
    str, typer.Option("--reason-code", help="Why, in a word that can be counted: promotion.")
]
Again = Annotated[
    bool, typer.Option("--again", help="Though the same goods are ordered already; with --reason.")
]
Expires = Annotated[str, typer.Option(help="First day without the override, YYYY-MM-DD.")]


@app.command()
def accept(
    decision: Id,
    reason: Reason = "",
    again: Again = False,
    role: Role = "planner",
    as_json: AsJson = False,
) -> None:
    """Accept a proposal as it is."""
    _answer(decision, "accept", role, as_json, reason=reason, again=again)


@app.command()
def override(
    decision: Id,
    quantity: Annotated[float, typer.Option(help="What to order instead, in the same unit.")],
    reason_code: Code,
    reason: Reason,
    expires: Expires = "",
    again: Again = False,
    role: Role = "planner",
    as_json: AsJson = False,
) -> None:
    """Order another quantity; the id of an earlier answer changes that answer."""
    given = {"reason": reason, "reason_code": reason_code, "quantity": quantity, "again": again}
    _answer(decision, "override", role, as_json, **given, expires=day(expires, "--expires"))


@app.command()
def reject(
    decision: Id,
    reason_code: Code,
    reason: Reason = "",
    role: Role = "planner",
    as_json: AsJson = False,
) -> None:
    """Order nothing; also takes back what was accepted and is not ordered yet."""
    _answer(decision, "reject", role, as_json, reason=reason, reason_code=reason_code)


@app.command()
def approve(
    decision: Id, reason: Reason = "", role: Role = "approver", as_json: AsJson = False
) -> None:
    """Approve what somebody else accepted or overrode."""
    _answer(decision, "approve", role, as_json, reason=reason)


@app.command()
def batch(
    answers: Annotated[
        Path, typer.Argument(metavar="FILE", help="CSV with proposal_id, answer, quantity, …")
    ],
    role: Role = "planner",
    as_json: AsJson = False,
) -> None:
    """Enter a file of answers, all or none.

    Columns: proposal_id and answer (accept, override, reject, approve), and where they apply
    quantity, reason_code, reason, expires, again (yes: though the goods are ordered already).
    """
    from workbench.commands.deciding.answer_file import read_answers
    from workbench.decision_log.answers import answer_record, superseded_answers

    workspace, by = find_workspace(), author(role)
    history = open_history(workspace)
    records, replaced = [], []
    for line, answer in read_answers(answers):
        try:
            records.append(answer_record(history, answer, by))
            replaced += superseded_answers(history, records[-1])
        except LogError as error:
            raise LogError(f"{answers}, line {line}: {error} Nothing was entered.") from error
    show(append(workspace, records), records, replaced, as_json=as_json)


def _answer(decision: str, verb: Any, role: str, as_json: bool, **given: Any) -> None:
    from workbench.decision_log.answers import Answer, answer_record, superseded_answers

    workspace = find_workspace()
    fields: dict[str, Any] = {k: None if value == "" else value for k, value in given.items()}
    history = open_history(workspace)
    record = answer_record(history, Answer(decision, verb, **fields), author(role))
    replaced = superseded_answers(history, record)
    show(append(workspace, [record]), [record], replaced, as_json=as_json)


def append(workspace: Workspace, records: "Sequence[DecisionRecord]") -> "Appended":
    """Enter records in one piece, through the service where one runs.

    Raises:
        LogError: Somebody else's answer was entered meanwhile, or the log refused.
    """
    from workbench.decision_log.service.access import log_client

    try:
        return log_client(workspace).append(records)
    except ImmutableError as error:
        raise LogError(
            f"{error} Somebody answered meanwhile, or twice in one file; nothing was entered, see"
            " 'workbench trace --decision' and answer again."
        ) from error


def author(role: str) -> "Author":
    """The OS user of this process, as the log's service sees it, now."""
    from workbench.decision_log.answers import Author

    return Author(_user(), role, datetime.now(UTC))


def show(
    done: "Appended",
    records: "Sequence[DecisionRecord]",
    replaced: Sequence[str] = (),
    *,
    as_json: bool,
) -> None:
    """Print what was entered, which answers it takes the place of, and what had been before."""
    facts = [
        {"id": record.id, "entry": index, "kind": record.kind, "answers": record.supersedes}
        for record, index in zip(records, done.indexes, strict=True)
    ]
    if as_json:
        entered = {"entered": done.new, "size": done.size, "records": facts, "replaced": replaced}
        say(json.dumps(entered, indent=1))
        return
    for fact in facts[:20]:
        named = f"{fact['kind']} {fact['id']} of {fact['answers']}"
        say(one_line(f"entry {fact['entry']:,}  {named}"))
    if len(facts) > 20:
        say(f"and {len(facts) - 20:,} more")
    for line in replaced:
        say(line)
    before = len(facts) - done.new
    known = f", {before:,} had been entered before" if before else ""
    say(f"{done.new:,} entered{known}; durable under checkpoint {done.size:,}")


def day(text: str, option: str) -> date | None:
    """A day as given on the command line; None for none.

    Raises:
        BadParameter: It is no day.
    """
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as error:
        raise typer.BadParameter(f"{option} {text!r} is not a day, YYYY-MM-DD") from error


def _user() -> str:
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
