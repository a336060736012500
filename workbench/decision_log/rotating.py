"""Rotating the log's key: every step is durable, and a crash is mended by doing it again.

The new key is made; the entry that names it is appended under a checkpoint that both keys sign, and
its files are flushed; the machine's memory takes that checkpoint; the key files are switched and
the old signing key is gone. Whoever opens the log after a crash in between completes the switch.
"""

from collections.abc import Callable
from datetime import datetime

from workbench.decision_log.keys import (
    KeptCheckpoint,
    ensure_successor,
    key_files,
    load_signer,
    retired_keys,
    switch_keys,
    verifier_key,
)
from workbench.decision_log.rotation import RotatedError, rotation_record
from workbench.decision_log.storage import Storage
from workbench.decision_log.tiles import CHECKPOINT
from workbench.decision_log.writer import LogWriter
from workbench.errors import LogError


def rotate_key(
    origin: str,
    storage: Storage,
    *,
    now: datetime,
    actor: str,
    step: Callable[[str], None] = lambda name: None,
) -> tuple[str, str]:
    """Give the log a new key.

    Args:
        origin: Of the log.
        storage: Of the log.
        now: UTC.
        actor: Who asked for it.
        step: Called with the name of each step before it is done; tests stop here.

    Returns:
        Old and new verifier key. A rotation that a crash interrupted is finished, not repeated.

    Raises:
        KeyFileError: This machine does not hold the log's signing key, or cannot keep another.
        LogError: The log cannot be written; the old key stays in force.
    """
    if finish_rotation(origin, storage):
        return retired_keys(origin)[-1], verifier_key(origin)
    step("successor")
    successor, signer = ensure_successor(origin), load_signer(key_files(origin).key)
    memory = KeptCheckpoint(origin)
    writer = LogWriter(storage, signer, memory)
    with writer.held():
        before = writer.recover()
        record = rotation_record(before, signer, successor, now=now, actor=actor)
        step("entry")
        writer.extend([record.canonical()], successor=successor)
        writer.settle()  # the new key cannot open what the old one alone signed
        _hand_over(origin, storage, memory, step)
    return signer.verifier.encode(), successor.verifier.encode()


def finish_rotation(origin: str, storage: Storage) -> bool:
    """Complete a rotation whose entry is in the log; whether there was one.

    Raises:
        WorkbenchError: Key files or log are unusable.
    """
    files = key_files(origin)
    if not files.successor.exists():
        return False
    memory = KeptCheckpoint(origin)
    writer = LogWriter(storage, load_signer(files.key), memory)
    with writer.held():
        if not files.successor.exists():
            return True  # by another process, while this one waited
        if load_signer(files.successor).verifier.encode() == verifier_key(origin):
            switch_keys(origin)
            return True
        try:
            writer.recover()
        except RotatedError:
            _hand_over(origin, storage, memory, lambda name: None)
            return True
    return False


def _hand_over(
    origin: str, storage: Storage, memory: KeptCheckpoint, step: Callable[[str], None]
) -> None:
    """From the checkpoint that both keys signed to the new key alone."""
    note = storage.read(CHECKPOINT)
    if note is None:
        raise LogError(
            f"{CHECKPOINT}: missing right after it was written; the key was not switched."
        )
    step("memory")
    memory.keep(note)
    step("switch")
    switch_keys(origin)
    step("done")
