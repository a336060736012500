"""`workbench log serve` and `workbench log witness`: the log for others, and others for the log."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.commands.terminal import say
from workbench.errors import ConfigError, VerificationError
from workbench.workspace import find_workspace, keys_folder

if TYPE_CHECKING:
    from workbench.decision_log.cosignature import Quorum
    from workbench.decision_log.serving import Binding, LogServer
    from workbench.decision_log.witness_state import StateFile

WITNESS_NAME = "workbench-witness"

witness_app = typer.Typer(
    help="A witness, and asking witnesses to cosign the log.", no_args_is_help=True
)

Host = Annotated[str, typer.Option(help="Address to listen on; default: this machine only.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")]
Certificate = Annotated[Path | None, typer.Option(help="PEM file; then TLS is spoken.")]
CertificateKey = Annotated[Path | None, typer.Option(help="PEM file of the certificate's key.")]
Name = Annotated[str, typer.Option(help="Name of the witness, best a URL without its scheme.")]
State = Annotated[
    Path | None, typer.Option(help="Folder of the witness's memory; default: beside the keys.")
]


def serve(
    port: Port = 8868,
    host: Host = "127.0.0.1",
    certificate: Certificate = None,
    certificate_key: CertificateKey = None,
) -> None:
    """Publish the log's tiles read-only over HTTP (c2sp.org/tlog-tiles), until interrupted."""
    from workbench.decision_log.publish import log_server
    from workbench.decision_log.serving import Binding

    binding = Binding(host, port, certificate, certificate_key)
    server = log_server(find_workspace().log, binding)
    _run(server, binding, "Whoever reaches it can read every entry.")


@witness_app.command("serve")
def serve_witness(
    origin_key: Annotated[
        list[str], typer.Option(help="Verifier key of a log to witness; may be given repeatedly.")
    ],
    port: Port = 8867,
    name: Name = WITNESS_NAME,
    state: State = None,
    host: Host = "127.0.0.1",
    certificate: Certificate = None,
    certificate_key: CertificateKey = None,
) -> None:
    """Cosign checkpoints that extend all seen before (c2sp.org/tlog-witness), until interrupted."""
    from workbench.decision_log.note import parse_verifier
    from workbench.decision_log.serving import Binding
    from workbench.decision_log.witness import Witness, ensure_witness
    from workbench.decision_log.witness_server import witness_server

    logs = [parse_verifier(text) for text in origin_key]
    if any(log.name == name for log in logs):
        raise ConfigError(f"witness {name!r}: has the name of the log; give another --name.")
    store = _state(name, state)
    with store.exclusive():
        witness = Witness(ensure_witness(name, store), logs, store, lambda: int(time.time()))
        binding = Binding(host, port, certificate, certificate_key)
        note = "Whoever reaches it may ask for cosignatures of the logs that it knows."
        try:
            _run(witness_server(witness, binding), binding, note)
        finally:
            witness.close()


@witness_app.command("key")
def witness_key(name: Name = WITNESS_NAME, state: State = None) -> None:
    """Print the witness's verifier key, for workbench.toml and for those who verify."""
    from workbench.decision_log.cosignature import witness_verifier
    from workbench.decision_log.keys import ensure_key, has_key
    from workbench.decision_log.witness import ensure_witness

    if not has_key(name):
        store = _state(name, state)
        with store.exclusive():
            ensure_witness(name, store)
    say(witness_verifier(ensure_key(name)).encode())


@witness_app.command()
def collect() -> None:
    """Have the configured witnesses cosign the checkpoint; exit 1 if one did not."""
    from workbench.decision_log import witnessing
    from workbench.decision_log.keys import verifier_key
    from workbench.decision_log.note import parse_verifier
    from workbench.decision_log.storage import FolderStorage

    workspace = find_workspace()
    witnesses = witnessing.configured_witnesses(workspace)
    if not witnesses:
        raise ConfigError(
            f"{workspace.root / 'workbench.toml'}: names no witness; expected [log] witnesses ="
            ' [{url = "https://…", key = "…"}].'
        )
    storage = FolderStorage(workspace.log, patience=30.0)
    log = parse_verifier(verifier_key(workspace.log_origin()))
    told = witnessing.collect(storage, log, witnesses)
    for answer in told:
        if answer.cosignature is not None:
            say(answer.cosignature.sentence())
    reasons = [answer.reason for answer in told if answer.cosignature is None]
    if reasons:
        raise VerificationError(" ".join(reasons))


def quorum(keys: list[str] | None, required: int, *, own: bool = False) -> "Quorum":
    """Witnesses that a verification knows: those given, else those of the workspace's settings.

    Args:
        keys: Given on the command line.
        required: How many must have cosigned.
        own: The workspace's own log is verified; only then do its settings count.
    """
    from workbench.decision_log.cosignature import Quorum, parse_witness
    from workbench.decision_log.witnessing import configured_witnesses, refuse_repeated_keys

    if keys:
        known = tuple(parse_witness(text) for text in keys)
        refuse_repeated_keys(known)
    elif own:
        known = tuple(entry.verifier for entry in configured_witnesses(find_workspace()))
    else:
        known = ()
    if required > len(known):
        raise ConfigError(
            f"--require-witness {required}: {len(known)} witnesses are known; give the key of each"
            " with --witness, or name them in workbench.toml."
        )
    return Quorum(known, required)


def _run(server: "LogServer", binding: "Binding", note: str) -> None:
    from workbench.decision_log.serving import LOOPBACK
    from workbench.decision_log.serving import serve as serve_until_interrupted

    say(f"Serving at {server.url} (Ctrl-C ends it).")
    if binding.host != LOOPBACK:
        say(note)
    serve_until_interrupted(server)


def _state(name: str, folder: Path | None) -> "StateFile":
    from workbench.decision_log.witness_state import StateFile

    return StateFile(folder or keys_folder().parent / "witness" / name.replace("/", "_"))
