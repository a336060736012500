"""Retention: whole bundles of entries go, by leave of an entry of the log; their hashes stay.

A bundle may go when it is full, settled, and each of its 256 entries may: recorded before the day
given, in force on no day from then on, of a kind that expires, and answered by no entry that stays.
The entry that names the bundles is durable before the first is removed; what a crash leaves, the
next pruning removes.
"""

import json
import tomllib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Any, Final

from workbench.contracts.private import sealed_fields
from workbench.contracts.records import DecisionRecord
from workbench.decision_log.append import LogClient
from workbench.decision_log.durable import flush
from workbench.decision_log.index import LogIndex
from workbench.decision_log.journal import parse_batch
from workbench.decision_log.note import Verifier
from workbench.decision_log.prove import ProvingReader
from workbench.decision_log.pruned import (
    MOST_BUNDLES,
    PRUNE_ID,
    Gone,
    PrunedBundle,
    decode_ids,
    id_digest,
    ids_path,
)
from workbench.decision_log.prunings import prunings
from workbench.decision_log.rotation import KIND as ROTATION
from workbench.decision_log.storage import FolderStorage
from workbench.decision_log.tiles import (
    TILE_WIDTH,
    bundle_path,
    decode_bundle,
    encode_bundle,
)
from workbench.decision_log.trace import DecisionHistory
from workbench.errors import ConfigError, LogError, PrunedError, VerificationError
from workbench.workspace import CONFIG_FILE, Workspace

# What later entries and people lean on for ever.
LASTING: Final = (
    "shred", "merge", "policy_change", "model_promotion", "rollout", ROTATION,
)  # fmt: skip
KEEP_DAYS: Final = 365
Step = Callable[[str], None]


@dataclass(frozen=True)
class Retention:
    """Who lets go what.

    Attributes:
        before: Entries recorded earlier, and in force on no day from this one on, may go.
    """

    before: date
    actor: str
    role: str
    now: datetime

    def expired(self, record: dict[str, Any]) -> bool:
        """Whether a record may go, seen by itself."""
        day = self.before.isoformat()
        detail = record.get("detail")
        lasting = record.get("kind") in LASTING or (isinstance(detail, dict) and "pruned" in detail)
        ends = [str(record[name]) for name in ("valid_to", "expires") if record.get(name)]
        over = min(ends) <= day if ends else not record.get("valid_from")
        return not lasting and over and str(record.get("recorded_at", "9"))[:10] < day


@dataclass(frozen=True)
class Plan:
    """What a pruning would do.

    Attributes:
        bundles: That may go.
        unfinished: That an entry of the log let go already, and that are still here.
        full: How many full bundles are here.
    """

    bundles: tuple[int, ...]
    unfinished: tuple[int, ...]
    full: int


class Pruner:
    """Prunes one log in a folder.

    Args:
        storage: Of the log.
        index: Derived; forgets what was pruned.
        verifier: Key of the log, from outside it.
        vault: Folder of the ciphertexts of private values; those of a bundle go before it.
    """

    def __init__(
        self, storage: FolderStorage, index: LogIndex, verifier: Verifier, vault: Path
    ) -> None:
        self._vault = vault
        self._storage = storage
        self._index = index
        self._key = verifier

    def plan(self, retention: Retention) -> Plan:
        """Which bundles may go.

        Raises:
            VerificationError: A bundle is not what the checkpoint signs.
        """
        named = self._named()
        reader, going = ProvingReader(self._storage, self._key), set(named)
        for number in range(self._settled(reader.checkpoint.size) - 1, -1, -1):
            if number not in going and self._may_go(reader, number, retention, going):
                going.add(number)
        here = tuple(n for n in sorted(named) if self._files(n))
        full = reader.checkpoint.size // TILE_WIDTH - len(named) + len(here)
        return Plan(tuple(sorted(going - set(named))), here, full)

    def prune(
        self,
        plan: Plan,
        retention: Retention,
        client: LogClient,
        step: Step = lambda part: None,
    ) -> None:
        """Record what goes, then remove it, and what an earlier pruning left.

        Args:
            plan: Of this moment.
            retention: By which it was made.
            client: Appends the entries that say so.
            step: Called with the name of each part before it is done; tests stop here.

        Raises:
            LogError: The log or its folder cannot be written; run it again.
            VerificationError: A bundle is not what the log says of it.
        """
        reader = ProvingReader(self._storage, self._key)
        for run in _runs(plan.bundles):
            step("ids")
            digests = [self._keep_ids(reader, number) for number in run]
            step("record")
            client.append([_record(run, digests, retention)])
        named = self._named()
        for number in sorted(named):
            self._remove(number, named[number], step)
        step("index")
        self._index.forget(self._gone(named))

    def _named(self) -> dict[int, PrunedBundle]:
        """Bundles that proven entries of the log let go."""
        DecisionHistory(self._storage, self._index, self._key.encode())  # mends the index
        stated = prunings(ProvingReader(self._storage, self._key), self._index)
        return {n: one for pruning in stated for n, one in pruning.bundles.items()}

    def _settled(self, size: int) -> int:
        """How many full bundles no journal would write or read again."""
        batches = self._storage.journal()  # after the size: what comes later begins beyond it
        return min([size, *(parse_batch(batch).start for batch in batches)]) // TILE_WIDTH

    def _may_go(
        self, reader: ProvingReader, number: int, retention: Retention, going: set[int]
    ) -> bool:
        try:
            entries = reader.whole_bundle(number)
        except PrunedError:
            return False
        records = [json.loads(entry) for entry in entries]
        return all(map(retention.expired, records)) and all(
            follower // TILE_WIDTH in {*going, number}
            for record in records
            for follower in self._index.select("supersedes = ?", [record["id"]])
        )

    def _keep_ids(self, reader: ProvingReader, number: int) -> PrunedBundle:
        entries = reader.whole_bundle(number)
        ids = b"".join(id_digest(json.loads(entry)["id"]) for entry in entries)
        path = self._storage.root / ids_path(number)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LogError(f"{path.parent}: cannot be made ({error.strerror}).") from error
        self._storage.publish(ids_path(number), ids)
        self._flush(ids_path(number))
        return PrunedBundle(sha256(encode_bundle(entries)).hexdigest(), sha256(ids).hexdigest())

    def _remove(self, number: int, named: PrunedBundle, step: Step) -> None:
        """Remove a bundle and its beginnings, once it is sure that they are what the log named."""
        path = bundle_path(number, TILE_WIDTH)
        data, ids = self._storage.read(path), self._storage.read(ids_path(number))
        if data is not None and sha256(data).hexdigest() != named.sha256:
            raise VerificationError(
                f"{path}: is not the bundle that the log let go; nothing of it was removed, run"
                " 'workbench log verify'."
            )
        if data is not None and sha256(ids or b"").hexdigest() != named.ids_sha256:
            raise VerificationError(
                f"{ids_path(number)}: is not what the log says of it; the bundle was not removed,"
                " restore that file from a backup."
            )
        if data is not None:
            step("ciphertexts")
            self._remove_ciphertexts(decode_bundle(data, path))
        for file in self._files(number):
            step("remove")
            self._storage.remove(file)
            self._flush(file, removed=True)

    def _remove_ciphertexts(self, entries: Sequence[bytes]) -> None:
        sealed = [one for e in entries for one in sealed_fields(json.loads(e)).values()]
        try:
            for one in sealed:
                (self._vault / one.subject / one.commitment).unlink(missing_ok=True)
            for subject in {one.subject for one in sealed}:
                if (self._vault / subject).is_dir():
                    flush(self._vault / subject)
        except OSError as error:
            raise LogError(
                f"{self._vault}: cannot be written ({error.strerror}); make it writable and run"
                " again."
            ) from error

    def _files(self, number: int) -> list[str]:
        """A bundle and what is left of its beginnings."""
        path = bundle_path(number, TILE_WIDTH)
        here = [path] if self._storage.read(path) is not None else []
        return [*self._storage.paths(f"{path}.p/"), *here]

    def _gone(self, named: Iterable[int]) -> dict[int, Gone]:
        found: dict[int, Gone] = {}
        for number in named:
            ids = decode_ids(self._storage.read(ids_path(number))) or []
            found |= {number * TILE_WIDTH + offset: gone for offset, gone in enumerate(ids)}
        return found

    def _flush(self, path: str, *, removed: bool = False) -> None:
        """Make a name's absence or presence durable."""
        try:
            for parent in list(PurePosixPath(path).parents)[: 1 if removed else None]:
                flush(self._storage.root / parent)
        except OSError as error:
            raise LogError(f"{path}: cannot be flushed ({error.strerror}); run again.") from error


def keep_days(workspace: Workspace) -> int:
    """For how many days every entry is kept: `[log] keep_days` in `workbench.toml`, else 365.

    Raises:
        ConfigError: It is no number of days.
    """
    path = workspace.root / CONFIG_FILE
    log = tomllib.loads(path.read_text(encoding="utf-8")).get("log", {})
    days = log.get("keep_days", KEEP_DAYS) if isinstance(log, dict) else log
    if type(days) is not int or not 0 <= days < 100_000:
        raise ConfigError(f"{path}: log.keep_days is {days!r}; expected a number of days.")
    return days


def _runs(bundles: Sequence[int]) -> Iterable[list[int]]:
    """Bundles that follow each other, as many as one entry may name."""
    run: list[int] = []
    for number in bundles:
        if run and (number != run[-1] + 1 or len(run) == MOST_BUNDLES):
            yield run
            run = []
        run.append(number)
    if run:
        yield run


def _record(
    run: Sequence[int], digests: Sequence[PrunedBundle], retention: Retention
) -> DecisionRecord:
    hashes = [one.sha256 for one in digests]
    pruned = {
        "before": retention.before.isoformat(),
        "first_bundle": run[0],
        "entries": len(run) * TILE_WIDTH,
        "sha256": hashes,
        "ids_sha256": [one.ids_sha256 for one in digests],
    }
    name = sha256("".join(hashes).encode()).hexdigest()[:32]
    return DecisionRecord(
        f"{PRUNE_ID}{run[0]}-{name}", "fact", retention.now, retention.actor, retention.role,
        detail={"pruned": pruned},
    )  # fmt: skip
