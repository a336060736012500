"""Shredding a subject: its key is destroyed, and the log says so without its name.

What is to be done is written down first, with the entry that will say so. Whatever a crash cuts
off, the next shredding goes on with the same bytes: keys, ciphertexts, entry, in that order, so
that the log never says that a key is gone which is still there.
"""

import json
import os
import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from workbench.contracts.records import DecisionRecord
from workbench.decision_log.append import LogClient
from workbench.decision_log.durable import flush, replace_durably
from workbench.decision_log.privacy.opening import SHRED_ID
from workbench.decision_log.privacy.vault import Subject, Vault
from workbench.errors import KeyFileError, LogError

Step = Callable[[str], None]


@dataclass(frozen=True)
class Shredder:
    """Who shreds, and when."""

    actor: str
    role: str
    now: datetime

    def record(self, pseudonym: str) -> DecisionRecord:
        """What the log will say."""
        return DecisionRecord(
            f"{SHRED_ID}{pseudonym}", "shred", self.now, self.actor, self.role,
            detail={"subject": pseudonym},
        )  # fmt: skip


@dataclass(frozen=True)
class Shredded:
    """What a shredding did.

    Attributes:
        pseudonyms: Of the subject, where its key was destroyed now; none where that was done
            before.
        entries: Index of the entry that says so, for each.
        others: How many shreddings of other subjects, cut off earlier, were finished too.
    """

    pseudonyms: tuple[str, ...]
    entries: tuple[int, ...]
    others: int


@dataclass(frozen=True)
class _Intent:
    """A shredding under way, as its file says."""

    path: Path
    name: str
    entry: bytes

    @property
    def pseudonym(self) -> str:
        return self.path.stem


def shred(
    vault: Vault, client: LogClient, name: str, shredder: Shredder, step: Step = lambda part: None
) -> Shredded:
    """Destroy what opens a subject's values, and record it; again, where it was cut off.

    Args:
        vault: Of the log.
        client: Appends the entries.
        name: Of the subject.
        shredder: Who and when.
        step: Called with the name of each part before it is done; tests stop here.

    Raises:
        LogError: Nothing was ever sealed under that name, or the log cannot be written: the key
            is destroyed then, and running it again completes the log.
        KeyFileError: The keys cannot be read or written.
    """
    entry = _entry(vault.subject(name), client, shredder)
    with vault.lock():
        step("intent")
        subject = vault.subject(name)
        if subject is not None:
            _write_intent(vault, name, subject, entry or _fresh(subject, shredder))
        intents = _intents(vault)
        for intent in intents:
            _destroy(vault, intent, step)
        own = vault.path_of(name, "")
        if not any(own and intent.name == own.name for intent in intents):
            _refuse_unknown(vault, name)
    step("log")
    indexes = {i.pseudonym: client.append_entries([i.entry]).indexes[0] for i in intents}
    with vault.lock():
        for intent in intents:
            _finish(vault, intent, step)
    mine = [i.pseudonym for i in intents if own and i.name == own.name]
    return Shredded(tuple(mine), tuple(indexes[p] for p in mine), len(intents) - len(mine))


def _entry(subject: Subject | None, client: LogClient, shredder: Shredder) -> bytes | None:
    """What the log says of it already: a key came back with a backup of the keys folder."""
    if subject is None:
        return None
    name = f"{SHRED_ID}{subject.pseudonym}"
    return client.entries_of([name]).get(name)


def _fresh(subject: Subject, shredder: Shredder) -> bytes:
    return shredder.record(subject.pseudonym).canonical()


def _write_intent(vault: Vault, name: str, subject: Subject, entry: bytes) -> None:
    path = vault.path_of(name, "")
    text = json.dumps({"name": path.name if path else "", "entry": entry.decode()})
    _replace(vault.keys / f"{subject.pseudonym}.shred", text.encode())


def _intents(vault: Vault) -> list[_Intent]:
    found = []
    for path in sorted(vault.keys.glob("*.shred")):
        try:
            facts = json.loads(path.read_bytes())
            found.append(_Intent(path, str(facts["name"]), str(facts["entry"]).encode()))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise KeyFileError(f"{path}: is damaged ({error}); restore it or remove it.") from error
    return found


def _refuse_unknown(vault: Vault, name: str) -> None:
    done = vault.path_of(name, ".shredded")
    if done is None or not done.exists():
        raise LogError(
            "subject: nothing is sealed under that name; expected the name given when its values"
            " were recorded, spelt alike."
        )


def _destroy(vault: Vault, intent: _Intent, step: Step) -> None:
    named = vault.keys / f"{intent.name}.subject"
    step("key")
    for staged in vault.keys.glob(".*.new"):  # nobody else writes while the lock is held
        _overwrite(staged)
    _overwrite(vault.keys / f"{intent.pseudonym}.key")
    step("name")
    if named.exists() and named.read_bytes().decode(errors="replace") == intent.pseudonym:
        _overwrite(named)
    _flush(vault.keys)
    step("ciphertexts")
    folder = vault.folder / intent.pseudonym
    if folder.exists():
        shutil.rmtree(folder)
        _flush(vault.folder)


def _finish(vault: Vault, intent: _Intent, step: Step) -> None:
    step("tombstone")
    if not (vault.keys / f"{intent.name}.subject").exists():  # else it was named anew since
        _replace(vault.keys / f"{intent.name}.shredded", b"shredded\n")
    step("done")
    intent.path.unlink(missing_ok=True)
    _flush(vault.keys)


def _overwrite(path: Path) -> None:
    """Write over a small file, flush, remove it."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        os.pwrite(descriptor, secrets.token_bytes(os.fstat(descriptor).st_size), 0)
        os.fsync(descriptor)
        path.unlink()
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        os.close(descriptor)


def _replace(path: Path, data: bytes) -> None:
    try:
        replace_durably(path, data, mode=0o600)
    except OSError as error:
        raise _unwritable(path, error) from error


def _flush(folder: Path) -> None:
    try:
        flush(folder)
    except OSError as error:
        raise _unwritable(folder, error) from error


def _unwritable(path: Path, error: OSError) -> KeyFileError:
    return KeyFileError(
        f"{path}: cannot be written ({error.strerror}); the shredding is not complete, mend the"
        " storage and run it again."
    )
