"""`workbench log open`, `check-opening`, `shred` and `prune`: what the log hides and forgets."""

import json
import os
import sys
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.commands import log
from workbench.commands.terminal import say
from workbench.contracts.printable import one_line
from workbench.errors import LogError
from workbench.workspace import find_workspace

if TYPE_CHECKING:
    from workbench.decision_log.privacy.opening import PrivateField
    from workbench.workspace import Workspace

_MOST_BYTES = 1 << 20  # of an opening or a proof: an entry has 65,535


def open_values(
    decision: Annotated[str, typer.Argument(metavar="ID", help="Id of a decision.")],
    field: Annotated[str, typer.Option(help="Only this field.")] = "",
    out: Annotated[
        Path | None,
        typer.Option(help="Write salt and value of --field there, for an outsider to check."),
    ] = None,
    as_json: log.AsJson = False,
) -> None:
    """Decrypt the private values of a decision, and check them against what the log committed to.

    It needs the log's keys folder, and shows what the log hides.
    """
    from workbench.decision_log.privacy.opening import private_values
    from workbench.decision_log.privacy.vault import open_vault

    if out is not None and not field:
        raise typer.BadParameter("--out goes with --field")
    workspace = find_workspace()
    history = log.open_history(workspace)
    entry = history.decision(decision)
    found = private_values(history, entry, open_vault(workspace))
    if field:
        found = [value for value in found if value.field == field]
    if not found:
        which = f"no private field {field!r}" if field else "no private value"
        raise LogError(f"decision {decision!r}: has {which}; see it with 'workbench trace'.")
    if out is not None:
        _write_opening(out, found[0], workspace.root)
    elif as_json:
        facts = {"decision": decision, "entry": entry.index}
        facts["private"] = [value.facts() for value in found]
        say(json.dumps(facts, indent=1, ensure_ascii=False))
    else:
        for value in found:
            say(one_line(f"{value.field}: {_shown(value)}"))


def check_opening(
    opening: Annotated[Path, typer.Argument(help="File with salt and value of one field.")],
    proof: Annotated[Path, typer.Argument(help="Proof of the decision, of 'workbench log prove'.")],
    key: log.Key = "",
    rotation: log.Rotations = None,
) -> None:
    """Check a value that was opened for you against a proven decision; exit 1 if it differs."""
    from workbench.decision_log.privacy import opening as openings
    from workbench.decision_log.privacy.commitments import parse_opening
    from workbench.decision_log.prove import verify_bundle

    text = _read(proof).decode("utf-8", errors="replace")
    origin = text.partition("\n\n")[2].partition("\n")[0]
    rotations = log.read_texts(rotation)
    proven = verify_bundle(text, key or log.pinned_key(origin), rotations=rotations)
    opened = parse_opening(_read(opening), str(opening))
    openings.check_opening(opened, proven)
    say(
        f"Verified: entry {proven.index:,} of {proven.checkpoint.origin} committed to this value of"
        f" {opened.field}:"
    )
    say(json.dumps(opened.value, indent=1, ensure_ascii=False))


def shred(
    subject: Annotated[
        str, typer.Argument(help="Name under which values were sealed; '-' reads it from stdin.")
    ],
    actor: Annotated[
        str, typer.Option(help="Who shreds; default: the operating-system user.")
    ] = "",
    role: Annotated[str, typer.Option(help="In which role.")] = "operator",
    as_json: log.AsJson = False,
) -> None:
    """Destroy the key of all private values of a subject, for ever, and record that it was done."""
    from workbench.decision_log.privacy.shredding import Shredder
    from workbench.decision_log.privacy.shredding import shred as shred_subject
    from workbench.decision_log.privacy.vault import open_vault
    from workbench.decision_log.service.access import log_client

    name = sys.stdin.readline() if subject == "-" else subject
    workspace = find_workspace()
    shredder = Shredder(actor or _user(), role, datetime.now(UTC))
    done = shred_subject(open_vault(workspace), log_client(workspace), name, shredder)
    if as_json:
        facts = {"subjects": done.pseudonyms, "entries": done.entries, "others": done.others}
        say(json.dumps(facts, indent=1))
        return
    for pseudonym, entry in zip(done.pseudonyms, done.entries, strict=True):
        say(f"Shredded: subject {pseudonym}, entry {entry:,} of the log says so.")
        say("Copies of the keys folder, backups among them, still open its values.")
    if not done.pseudonyms:
        say("It was shredded before; nothing was left to destroy.")
    if done.others:
        say(f"{done.others} shreddings that were cut off earlier are finished too.")


def prune(
    before: Annotated[
        str, typer.Option(help="YYYY-MM-DD: what was recorded before, and is in force no more.")
    ],
    yes: Annotated[
        bool, typer.Option("--yes", help="Remove; else only say what would go.")
    ] = False,
    actor: Annotated[
        str, typer.Option(help="Who prunes; default: the operating-system user.")
    ] = "",
    role: Annotated[str, typer.Option(help="In which role.")] = "operator",
    as_json: log.AsJson = False,
) -> None:
    """Remove whole bundles of expired entries, once the log says so; their hashes stay."""
    from workbench.decision_log.index_file import open_index
    from workbench.decision_log.note import parse_verifier
    from workbench.decision_log.privacy.vault import open_vault
    from workbench.decision_log.pruning import Pruner, Retention
    from workbench.decision_log.service.access import log_client
    from workbench.decision_log.storage import FolderStorage

    workspace = find_workspace()
    day = _expired_day(before, workspace)
    log.open_history(workspace)  # refuses what is no log of this key
    retention = Retention(day, actor or _user(), role, datetime.now(UTC))
    pruner = Pruner(
        FolderStorage(workspace.log),
        open_index(workspace),
        parse_verifier(log.pinned_key(workspace.log_origin())),
        open_vault(workspace).folder,
    )
    plan = pruner.plan(retention)
    if yes:
        pruner.prune(plan, retention, log_client(workspace))
    if as_json:
        facts = {"pruned": yes, **asdict(plan)}
        say(json.dumps(facts, indent=1))
        return
    count, rest = len(plan.bundles), len(plan.unfinished)
    verb = "were removed" if yes else "may go"
    say(
        f"{count:,} of {plan.full:,} full bundles ({count * 256:,} entries) {verb}; their hashes"
        " stay."
    )
    if rest:
        verb = "is removed too" if yes else "is to be removed"
        say(f"What an earlier pruning left of {rest:,} bundles {verb}.")
    if not yes:
        say("Nothing was changed: keep a backup if you may need them, then add --yes.")


def _expired_day(text: str, workspace: "Workspace") -> date:
    from workbench.decision_log.pruning import keep_days

    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"--before {text!r} is not a day, YYYY-MM-DD") from error
    kept = keep_days(workspace)
    latest = datetime.now(UTC).date() - timedelta(days=kept)
    if day > latest:
        raise LogError(
            f"--before {day}: entries are kept for {kept} days; expected {latest} or earlier, or"
            " another [log] keep_days in workbench.toml."
        )
    return day


def _user() -> str:
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def _shown(value: "PrivateField") -> str:
    if value.opening is not None:
        shown: Any = json.dumps(value.opening.value, ensure_ascii=False)
        return f"{shown}  ({value.sealed.label}, opened; it is what the log committed to)"
    return f"{value.sealed.label}, shredded at {value.shredded_at}"


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise LogError(f"{path}: cannot be read ({error.strerror}); give another file.") from error
    if len(data) > _MOST_BYTES:
        raise LogError(f"{path}: more than {_MOST_BYTES} bytes; expected a proof and an opening.")
    return data


def _write_opening(path: Path, value: "PrivateField", root: Path) -> None:
    if value.opening is None:
        raise LogError(f"{value.field}: was shredded at {value.shredded_at}; nothing opens it.")
    if path.resolve().is_relative_to(root):
        raise LogError(
            f"{path}: lies in the workspace, where a value that is shredded later must not remain;"
            " choose another place."
        )
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(value.opening.encode())
    except OSError as error:
        raise LogError(
            f"{path}: cannot be written ({error.strerror}); choose a new file in another place."
        ) from error
    say(
        f"{path}: salt and value; with the decision's proof it convinces anybody, 'workbench log"
        f" check-opening {path} PROOF --key KEY'"
    )
