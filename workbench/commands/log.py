"""`workbench log`: verify the decision log, prove single decisions, show key and checkpoint."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from workbench.commands import log_network
from workbench.commands.terminal import say
from workbench.errors import KeyFileError, LogError, VerificationError
from workbench.workspace import Workspace, find_workspace, keys_folder

if TYPE_CHECKING:
    from workbench.decision_log.checkpoint import Checkpoint
    from workbench.decision_log.cosignature import Quorum
    from workbench.decision_log.trace import DecisionHistory

_MOST_BYTES: Final = 1 << 20  # a proof of the largest entry has an eighth of it

app = typer.Typer(
    help="The decision log: verify, prove, key, checkpoint, witness, serve.", no_args_is_help=True
)
app.command()(log_network.serve)
app.add_typer(log_network.witness_app, name="witness")

Key = Annotated[
    str, typer.Option(help="Verifier key name+id+base64; default: the one pinned on this machine.")
]
Rotations = Annotated[
    list[Path] | None,
    typer.Option(help="Proof of a change of the log's key since --key; for each of them."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print facts as JSON.")]


@app.command()
def verify(
    where: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FOLDER|BUNDLE]",
            help="A log's folder, a proof or the zip of a trace; default: here.",
        ),
    ] = None,
    key: Key = "",
    since: Annotated[
        Path | None, typer.Option(help="Checkpoint kept earlier that the log must extend.")
    ] = None,
    require_witness: Annotated[
        int, typer.Option(min=0, help="How many known witnesses must have cosigned.")
    ] = 0,
    witness: Annotated[
        list[str] | None,
        typer.Option(help="Key of a known witness; default: those of this workspace's settings."),
    ] = None,
    rotation: Rotations = None,
    as_json: AsJson = False,
) -> None:
    """Recompute the whole log, or one proof, from its entries; exit 1 at the first false place."""
    if where is not None and where.is_file():
        if since is not None:
            raise typer.BadParameter("--since goes with a log's folder, not with a proof")
        known = log_network.quorum(witness, require_witness)
        if not _verify_packed(where, key, as_json, known):
            _verify_bundle(where, key, as_json, known, read_texts(rotation))
        return
    if rotation:
        raise typer.BadParameter("--rotation goes with a proof; a log's folder has its own")
    known = log_network.quorum(witness, require_witness, own=where is None)
    from workbench.decision_log.verify import CANNOT_SEE, verify_log

    folder = where or find_workspace().log
    with _progress(quiet=as_json) as progress:
        report = verify_log(
            folder,
            key or _pinned(folder, where),
            since=_read(since) if since else None,
            seen=_kept_here(where),
            progress=progress,
            quorum=known,
        )
    if as_json:
        facts = {
            "verified": True,
            **_checkpoint_facts(report.checkpoint),
            "entries": report.entries,
            **asdict(report.files),
            "cosignatures": [asdict(cosigned) for cosigned in report.cosignatures],
            "pruned": [asdict(run) for run in report.pruned],
            "rotations": [
                {"entry": r.index, "old": r.old.encode(), "new": r.new.encode()}
                for r in report.rotations
            ],
            "clock_steps": report.clock_steps,
            "consistent_with": report.consistent_with,
            "cannot_see": None if since else CANNOT_SEE,
        }
        say(json.dumps(facts, indent=1))
    else:
        say(report.summary())
        if since is None and report.consistent_with is not None:
            say(CANNOT_SEE)


@app.command()
def prove(
    decision: Annotated[str, typer.Argument(metavar="ID", help="Id of a decision.")],
    out: Annotated[Path | None, typer.Option(help="File to write; default: the terminal.")] = None,
) -> None:
    """Write an offline proof of one decision (c2sp.org/tlog-proof)."""
    if out is not None:
        refuse_place(out)
    bundle = open_history(find_workspace()).bundle(decision)
    if out is None:
        sys.stdout.write(bundle)
        return
    write_whole(out, bundle.encode("utf-8"))
    say(f"{out}: verifies offline with 'workbench log verify {out} --key KEY'")


@app.command()
def key(
    every: Annotated[
        bool, typer.Option("--all", help="Also the keys before it, oldest first.")
    ] = False,
    proofs: Annotated[
        Path | None, typer.Option(help="New folder for the proof of each change of the key.")
    ] = None,
) -> None:
    """Print the log's verifier key, to be given to those who verify."""
    from workbench.decision_log.keys import retired_keys

    workspace = find_workspace()
    origin = workspace.log_origin()
    if proofs is not None:
        _write_rotations(workspace, proofs)
    pinned = pinned_key(origin)
    for text in [*retired_keys(origin), pinned] if every else [pinned]:
        say(text)


@app.command()
def checkpoint(as_json: AsJson = False) -> None:
    """Print the signed checkpoint; keep it elsewhere for 'workbench log verify --since FILE'."""
    from workbench.decision_log.keys import verifier_key
    from workbench.decision_log.note import parse_verifier
    from workbench.decision_log.prove import ProvingReader
    from workbench.decision_log.storage import FolderStorage

    workspace = find_workspace()
    verifier = parse_verifier(verifier_key(workspace.log_origin()))
    reader = ProvingReader(FolderStorage(workspace.log), verifier)
    if as_json:
        say(json.dumps(_checkpoint_facts(reader.checkpoint), indent=1))
    else:
        sys.stdout.write(reader.note.decode())


def _kept_here(where: Path | None) -> bytes | None:
    """What this machine remembers of the workspace's log; of a folder given by name, nothing."""
    from workbench.decision_log.keys import KeptCheckpoint

    return None if where else KeptCheckpoint(find_workspace().log_origin()).read()


def pinned_key(origin: str) -> str:
    """The verifier key pinned for a log, with a remedy where the file is spoilt.

    Raises:
        KeyFileError: None is pinned, or its file is malformed.
    """
    from workbench.decision_log.keys import verifier_key

    path = keys_folder() / f"{origin.replace('/', '_')}.pub"
    try:
        return verifier_key(origin)
    except KeyFileError as error:
        if not path.is_file():
            raise
        raise KeyFileError(
            f"{path}: holds no verifier key; expected name+id+base64. Restore it from a backup, or"
            " where the signing key lies beside it delete it: the next run writes it again."
        ) from error


def open_history(workspace: Workspace) -> "DecisionHistory":
    """The decisions of a workspace's log, proven against the key pinned on this machine."""
    from workbench.decision_log import workspace_history  # the command line starts without it

    return workspace_history.open_history(workspace)


def _verify_bundle(
    path: Path, key: str, as_json: bool, known: "Quorum", rotations: list[str]
) -> None:
    from workbench.decision_log.prove import verify_bundle

    (text,) = read_texts([path])
    origin = text.partition("\n\n")[2].partition("\n")[0]
    proven = verify_bundle(text, key or _pinned_for(origin, path), known, rotations=rotations)
    record = proven.record()
    if as_json:
        facts = {"verified": True, "entry": proven.index, **_checkpoint_facts(proven.checkpoint)}
        facts["cosignatures"] = [asdict(cosigned) for cosigned in proven.cosignatures]
        say(json.dumps({**facts, "record": record}, indent=1))
        return
    say(
        f"Verified: entry {proven.index:,} is included under the signed checkpoint of"
        f" {proven.checkpoint.origin}, size {proven.checkpoint.size:,}"
    )
    for cosigned in proven.cosignatures:
        say(cosigned.sentence())
    say(json.dumps(record, indent=1, ensure_ascii=False))


def _verify_packed(path: Path, key: str, as_json: bool, known: "Quorum") -> bool:
    """Verify the zip of a trace; False where the file is none."""
    from workbench.decision_log.verify_packed import BEGINNING, verify_packed

    with path.open("rb") as file:
        if file.read(len(BEGINNING)) != BEGINNING:
            return False
    if not key:
        raise VerificationError(f"{path}: give the log's verifier key with --key.")
    report = verify_packed(path, key, known)
    if not as_json:
        say(report.summary())
        return True
    facts = {"verified": True, **_checkpoint_facts(report.entries[0].checkpoint)}
    facts["cosignatures"] = [asdict(cosigned) for cosigned in report.cosignatures]
    facts["records"] = [{"entry": one.index, "record": one.record()} for one in report.entries]
    facts |= {"policies": report.policies, "blocks": report.blocks}
    facts |= {"blocks_with_rows": report.with_rows, "unsigned": report.unsigned}
    say(json.dumps(facts, indent=1))
    return True


def _pinned(folder: Path, given: Path | None) -> str:
    """The key pinned for the log: of this workspace, or of the name that a given folder claims.

    The claim only selects among keys pinned on this machine, and verification prints it.
    """
    note = folder / "checkpoint"
    if not folder.exists():
        raise VerificationError(
            f"{folder}: not found; expected a decision log's folder, or a proof of it as a file. A"
            " workspace has a log once a notebook has proposed orders."
        )
    if not note.is_file():
        raise VerificationError(
            f"{note}: not found; expected the folder of a decision log. A workspace has one once a"
            " notebook has proposed orders; else name the folder that holds the checkpoint."
        )
    if given is None:
        return _pinned_for(find_workspace().log_origin(), note)
    return _pinned_for(_read(note).decode("utf-8", errors="replace").partition("\n")[0], note)


def _pinned_for(origin: str, where: Path) -> str:
    from workbench.decision_log.keys import verifier_key

    if "\0" in origin or not origin or len(origin) > 200:
        raise VerificationError(f"{where}: names no log; give the verifier key with --key.")
    return verifier_key(origin)


def _checkpoint_facts(signed: "Checkpoint") -> dict[str, Any]:
    return {"origin": signed.origin, "size": signed.size, "root": signed.root.hex()}


def _read(path: Path) -> bytes:
    """A checkpoint or a proof, which may come through a pipe."""
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise LogError(f"{path}: cannot be read ({error.strerror}); give another file.") from error
    if len(data) > _MOST_BYTES:
        raise LogError(
            f"{path}: more than {_MOST_BYTES:,} bytes; expected a checkpoint or a proof of one"
            " entry, give another file."
        )
    return data


def _write_rotations(workspace: Workspace, folder: Path) -> None:
    refuse_place(folder)
    rotations = open_history(workspace).rotations()
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise LogError(f"{folder}: cannot be made ({error.strerror}).") from error
    for entry, proof in rotations:
        write_whole(folder / f"rotation-{entry.index:09d}.proof", proof.encode())


def read_texts(paths: list[Path] | None) -> list[str]:
    """Files as text; what is no UTF-8 in them verifies as nothing."""
    return [_read(path).decode("utf-8", errors="replace") for path in paths or []]


def refuse_place(path: Path) -> None:
    """Refuse to replace a file, above all one of a log."""
    for folder in path.resolve().parents:
        if folder == find_workspace().log or (folder / "checkpoint").is_file():
            raise LogError(
                f"{path}: lies in the decision log {folder}, which only the log itself writes;"
                " choose another place."
            )
    if os.path.lexists(path):
        raise LogError(f"{path}: exists; expected a new file. Choose another name or move it away.")


def write_whole(path: Path, data: bytes) -> None:
    """Write whole or not at all."""
    staged = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        staged.write_bytes(data)
        staged.replace(path)
    except OSError as error:
        staged.unlink(missing_ok=True)
        raise LogError(
            f"{path}: cannot be written ({error.strerror}); choose another place."
        ) from error


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal; nothing elsewhere."""
    if quiet or not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("Verifying entries", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
