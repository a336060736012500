"""Asking witnesses to cosign the log's checkpoint (c2sp.org/tlog-witness, the client's side).

What a witness refuses is a finding: it remembers what the folder may have lost, so that a log that
was rolled back or rewritten, even under its own key, is named here.
"""

import http.client
import ssl
import tomllib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from workbench.decision_log.checkpoint import Checkpoint, open_checkpoint
from workbench.decision_log.cosignature import (
    Cosignature,
    WitnessVerifier,
    cosignatures,
    parse_witness,
)
from workbench.decision_log.note import Verifier, signature_line, split_note
from workbench.decision_log.storage import Storage
from workbench.decision_log.tiles import CHECKPOINT
from workbench.decision_log.tree import TreeReader
from workbench.decision_log.witness import SUBMIT, AddCheckpoint
from workbench.errors import ConfigError, KeyFileError, LogError, VerificationError
from workbench.workspace import CONFIG_FILE, Workspace

_PATIENCE_SECONDS: Final = 15.0
_MOST_BYTES: Final = 65_536
_ATTEMPTS: Final = 3

Send = Callable[[str, bytes], tuple[int, bytes]]


@dataclass(frozen=True)
class WitnessAddress:
    """Where a witness is asked, and the key with which it cosigns."""

    url: str
    verifier: WitnessVerifier


@dataclass(frozen=True)
class Collected:
    """What a witness answered: its cosignature, or why there is none."""

    witness: str
    cosignature: Cosignature | None
    reason: str = ""


def configured_witnesses(workspace: Workspace) -> tuple[WitnessAddress, ...]:
    """Witnesses named in `workbench.toml`: `[log] witnesses = [{url = "…", key = "…"}]`.

    Raises:
        ConfigError: An entry is malformed, or one key stands twice.
    """
    path = workspace.root / CONFIG_FILE
    log = tomllib.loads(path.read_text(encoding="utf-8")).get("log", {})
    entries = log.get("witnesses", []) if isinstance(log, dict) else log
    if not isinstance(entries, list):
        raise ConfigError(f"{path}: log.witnesses is {entries!r}; expected a list of url and key.")
    witnesses = tuple(_address(f"{path}: log.witnesses", entry) for entry in entries)
    refuse_repeated_keys([witness.verifier for witness in witnesses])
    return witnesses


def _address(where: str, entry: Any) -> WitnessAddress:
    texts = isinstance(entry, dict) and all(isinstance(value, str) for value in entry.values())
    if not texts or set(entry) != {"url", "key"}:
        raise ConfigError(f'{where}: found {entry!r}; expected {{url = "https://…", key = "…"}}.')
    if not _is_address(entry["url"]):
        raise ConfigError(f"{where}: url is {entry['url']!r}; expected http(s)://host[:port].")
    try:
        return WitnessAddress(entry["url"].rstrip("/"), parse_witness(entry["key"]))
    except KeyFileError as error:
        raise ConfigError(f"{where}: {error}") from error


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number
        return False
    return known and not parts.query and not parts.username


def refuse_repeated_keys(witnesses: Sequence[WitnessVerifier]) -> None:
    """One public key under two names would count as two witnesses.

    Raises:
        ConfigError: A key stands twice.
    """
    seen: dict[bytes, str] = {}
    for witness in witnesses:
        if witness.public in seen:
            raise ConfigError(
                f"witness {witness.name!r}: has the key of {seen[witness.public]!r}; expected"
                " another key for each witness."
            )
        seen[witness.public] = witness.name


def collect(
    storage: Storage,
    log: Verifier,
    witnesses: Sequence[WitnessAddress],
    *,
    send: Send | None = None,
) -> list[Collected]:
    """Ask every witness, and write the cosigned checkpoint in place of the bare one.

    Raises:
        LogError: There is no log, or it cannot be read or written.
        VerificationError: The log's own checkpoint does not hold.
    """
    for _ in range(_ATTEMPTS):
        note = storage.read(CHECKPOINT)
        if note is None:
            raise LogError(f"{CHECKPOINT}: not found; expected a decision log.")
        checkpoint = open_checkpoint(note, log)
        tree = TreeReader(storage, checkpoint.size)
        if tree.root() != checkpoint.root:
            raise VerificationError(
                f"{CHECKPOINT}: the tiles do not have the root that it signs; no witness was asked."
            )
        answers = [_ask(witness, note, checkpoint, tree, send or post) for witness in witnesses]
        lines = [line for _, line in answers if line]
        if _publish(storage, note, lines):
            return [told for told, _ in answers]
    raise LogError(
        f"{CHECKPOINT}: the log grew during each of {_ATTEMPTS} attempts; run again when no run"
        " writes."
    )


def _ask(
    witness: WitnessAddress, note: bytes, checkpoint: Checkpoint, tree: TreeReader, send: Send
) -> tuple[Collected, bytes]:
    name = witness.verifier.name
    try:
        line, cosigned = _cosigned(witness, note, checkpoint, tree, send)
    except LogError as error:
        return Collected(name, None, str(error)), b""
    return Collected(name, cosigned), line


def _cosigned(
    witness: WitnessAddress, note: bytes, checkpoint: Checkpoint, tree: TreeReader, send: Send
) -> tuple[bytes, Cosignature]:
    """A witness's cosignature line, verified.

    The first request names size zero: a witness that has seen the log answers with its size.
    """
    name, url = witness.verifier.name, witness.url + SUBMIT
    status, body = send(url, AddCheckpoint(0, (), note).encode())
    if status == 409:
        size = _told_size(name, body)
        if size > checkpoint.size:
            raise VerificationError(
                f"witness {name!r}: has seen {size} entries of this log, the checkpoint has only"
                f" {checkpoint.size}: entries were removed or an older log was put back."
            )
        proof = tuple(tree.consistency_proof(size))
        status, body = send(url, AddCheckpoint(size, proof, note).encode())
        if status == 422 or (status == 409 and _told_size(name, body) == size == checkpoint.size):
            raise VerificationError(
                f"witness {name!r}: the log does not extend the {size} entries that it has seen;"
                " history was rewritten, or the log was forked."
            )
    if status != 200:
        raise LogError(f"witness {name!r}: answered {status} at {url}; expected a cosignature.")
    return _verified_line(witness.verifier, note, body)


def _told_size(name: str, body: bytes) -> int:
    digits = body.removesuffix(b"\n")
    if not digits.isdigit() or len(digits) > 19:
        raise LogError(f"witness {name!r}: answered 409 without a size.")
    return int(digits)


def _verified_line(
    verifier: WitnessVerifier, note: bytes, body: bytes
) -> tuple[bytes, Cosignature]:
    text, _ = split_note(note)
    answered = text + b"\n" + body
    _, signatures = split_note(answered)
    found = cosignatures(answered, [verifier])
    if not found:
        raise VerificationError(
            f"witness {verifier.name!r}: answered without a cosignature of the configured key."
        )
    data = next(s for name, key, s in signatures if (name, key) == (verifier.name, verifier.key_id))
    return signature_line(verifier.name, verifier.key_id + data), found[0]


def _publish(storage: Storage, note: bytes, lines: Iterable[bytes]) -> bool:
    """Add signature lines to the checkpoint, if it still is the one that was cosigned."""
    text, _ = split_note(note)
    fresh = list(lines)
    with storage.lock():
        current = storage.read(CHECKPOINT) or b""
        if not current.startswith(text + b"\n") or split_note(current)[0] != text:
            return False
        if fresh:
            storage.publish(CHECKPOINT, _merged(current, fresh))
    return True


def _merged(note: bytes, lines: Sequence[bytes]) -> bytes:
    """The note with its lines, the log's first, and new ones in place of older by the same key."""
    text, signatures = split_note(note)
    _, added = split_note(text + b"\n" + b"".join(lines))
    renewed = {(name, key_id) for name, key_id, _ in added}
    kept = [entry for entry in signatures if entry[:2] not in renewed]
    return (
        text + b"\n" + b"".join(signature_line(n, key + data) for n, key, data in [*kept, *added])
    )


def post(url: str, body: bytes) -> tuple[int, bytes]:
    """Send a request to a witness; redirects are not followed.

    Raises:
        LogError: The witness does not answer.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port
    try:
        connection: http.client.HTTPConnection
        if parts.scheme == "https":
            context = ssl.create_default_context()
            connection = http.client.HTTPSConnection(
                host, port, timeout=_PATIENCE_SECONDS, context=context
            )
        else:
            connection = http.client.HTTPConnection(host, port, timeout=_PATIENCE_SECONDS)
        try:
            connection.request("POST", parts.path, body, {"Content-Type": "text/plain"})
            response = connection.getresponse()
            return response.status, response.read(_MOST_BYTES)
        finally:
            connection.close()
    except (OSError, http.client.HTTPException) as error:
        raise LogError(f"{url}: no answer ({error}); start the witness or correct its url.") from (
            error
        )
