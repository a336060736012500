"""Asking a log about its prunings: proven entries, found through the index."""

from workbench.decision_log.index import LogIndex, parsed
from workbench.decision_log.prove import ProvingReader
from workbench.decision_log.pruned import PRUNE_ID, Pruning, pruning_of
from workbench.decision_log.tiles import TILE_WIDTH
from workbench.errors import LogError, PrunedError, VerificationError


def prunings(reader: ProvingReader, index: LogIndex) -> list[Pruning]:
    """What entries of the log say of bundles that may be missing, latest first."""
    positions = index.select("id >= ? AND id < ?", [PRUNE_ID, PRUNE_ID + "\uffff"])
    stated = [pruning_of(parsed(reader.entry(p).entry, p), p) for p in positions]
    return [pruning for pruning in stated if pruning is not None]


def pruned(reader: ProvingReader, index: LogIndex, decision_id: str) -> str | None:
    """Who had the entry of that id pruned, and when; None where it is here or unknown.

    Raises:
        VerificationError: It is missing, and no entry lets it go.
    """
    for position in index.positions([decision_id]).values():
        try:
            reader.entry(position)
        except PrunedError as error:
            number = position // TILE_WIDTH
            stated = [one for one in prunings(reader, index) if number in one.bundles]
            if not stated:
                raise VerificationError(
                    f"entry {position}: missing, and no entry of the log says that it was pruned;"
                    " run 'workbench log verify'."
                ) from error
            return stated[0].sentence()
        except LogError:  # the index is wrong, which is found out elsewhere
            return None
    return None


def refuse_pruned(reader: ProvingReader, index: LogIndex, decision_id: str) -> None:
    """Refuse a question for a pruned decision.

    Raises:
        PrunedError: Saying who had it pruned, and when.
        VerificationError: It is missing, and no entry lets it go.
    """
    stated = pruned(reader, index, decision_id)
    if stated is not None:
        raise PrunedError(
            f"decision {decision_id!r}: was {stated}; the log keeps its hash only. Proofs made"
            " before still verify: ask who holds one."
        )
