"""Verification of what is missing: a bundle may be, if a verified entry lets it go."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from workbench.decision_log.pruned import Pruning, ids_path, pruning_of
from workbench.decision_log.tiles import TILE_WIDTH, bundle_path
from workbench.errors import VerificationError


@dataclass(frozen=True)
class PrunedRun:
    """Entries `first` to `last` that one entry of the log lets go; their hashes were verified."""

    first: int
    last: int
    by: str
    entry: int
    missing_ids: bool

    def sentence(self) -> str:
        """For people."""
        ids = "; the digests of their ids are missing" if self.missing_ids else ""
        return f"entries {self.first:,} to {self.last:,}: pruned, hashes only; {self.by}{ids}."


class MissingBundles:
    """Full bundles that a log lacks, and the entries that may let them go, read later."""

    def __init__(self) -> None:
        self._ids: dict[int, str | None] = {}
        self._prunings: list[Pruning] = []

    def add(self, number: int, ids: bytes | None) -> None:
        """A bundle is missing.

        Args:
            number: Of the bundle.
            ids: What lies here of its ids.
        """
        self._ids[number] = None if ids is None else sha256(ids).hexdigest()

    def note(self, record: Mapping[str, Any], index: int) -> None:
        """A record of the log, at its index; remembered where it lets bundles go."""
        pruning = pruning_of(record, index)
        if pruning is not None:
            self._prunings.append(pruning)

    def runs(self) -> tuple[PrunedRun, ...]:
        """Runs of missing bundles, each by leave of an entry of the log.

        Raises:
            VerificationError: One is missing without; or the digests of its ids were altered.
        """
        allowed = {number: one for one in self._prunings for number in one.bundles}
        _refuse_lost([number for number in self._ids if number not in allowed])
        runs: list[PrunedRun] = []
        for number, ids in self._ids.items():
            run = _run(number, ids, allowed[number])
            before = runs[-1] if runs else None
            if before and (before.last + 1, before.entry) == (run.first, run.entry):
                unknown = before.missing_ids or run.missing_ids
                runs[-1] = replace(before, last=run.last, missing_ids=unknown)
            else:
                runs.append(run)
        return tuple(runs)


def _refuse_lost(numbers: list[int]) -> None:
    lost = [bundle_path(number, TILE_WIDTH) for number in numbers]
    if lost:
        others = f", {len(lost) - 1} others up to {lost[-1]} too" if len(lost) > 1 else ""
        raise VerificationError(
            f"{lost[0]}: missing{others}, and no entry of the log says that it was pruned; where a"
            " pruning was under way, run again."
        )


def _run(number: int, ids: str | None, pruning: Pruning) -> PrunedRun:
    if ids not in (None, pruning.bundles[number].ids_sha256):
        raise VerificationError(
            f"{ids_path(number)}: differs from what entry {pruning.entry} says of it."
        )
    first = number * TILE_WIDTH
    last = first + TILE_WIDTH - 1
    return PrunedRun(first, last, pruning.sentence(), pruning.entry, ids is None)
