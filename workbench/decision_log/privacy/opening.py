"""Opening: what stands behind the sealed fields of an entry, for those who hold the keys."""

from dataclasses import dataclass
from typing import Any, Final, Literal

from workbench.contracts.private import Sealed, sealed_fields
from workbench.decision_log.index import parsed
from workbench.decision_log.privacy.commitments import Opening
from workbench.decision_log.privacy.vault import Vault
from workbench.decision_log.prove import ProvenEntry
from workbench.decision_log.trace import DecisionHistory, Entry
from workbench.errors import KeyFileError, LogError, VerificationError

State = Literal["sealed", "opened", "shredded"]
SHRED_ID: Final = "shred-"  # then the pseudonym: a subject is shredded once


@dataclass(frozen=True)
class PrivateField:
    """A private value of an entry, as far as it may be seen.

    Attributes:
        field: Of the record's `detail`.
        sealed: What the entry holds.
        state: `sealed`, `opened`, or `shredded` where the log says so.
        shredded_at: When its subject was shredded.
        opening: Salt and value, where it was opened.
    """

    field: str
    sealed: Sealed
    state: State
    shredded_at: str | None = None
    opening: Opening | None = None

    def facts(self) -> dict[str, Any]:
        """As JSON; the value only where it was opened."""
        facts: dict[str, Any] = {"field": self.field, "state": self.state}
        facts |= {"label": self.sealed.label, "subject": self.sealed.subject}
        facts |= {"shredded_at": self.shredded_at}
        return facts | ({"value": self.opening.value} if self.opening else {})


def private_values(
    history: DecisionHistory, entry: Entry, vault: Vault | None = None
) -> list[PrivateField]:
    """The private values of an entry, in the order of their fields.

    Args:
        history: Of the log, asked whether a subject was shredded.
        entry: A proven entry.
        vault: Opens what it can; None: all stays sealed.

    Raises:
        VerificationError: A value in the vault is not the one that the entry committed to.
        KeyFileError: A key is not here, though the log does not say that it was destroyed, or it
            is here although the log does.
    """
    fields = sealed_fields(entry.record)
    return [_value(history, entry, name, fields[name], vault) for name in sorted(fields)]


def _value(
    history: DecisionHistory, entry: Entry, field: str, sealed: Sealed, vault: Vault | None
) -> PrivateField:
    subject = vault.by_pseudonym(sealed.subject) if vault else None
    shredding = history.find(f"{SHRED_ID}{sealed.subject}")
    if shredding is not None and shredding.record.get("kind") == "shred":
        if subject is not None:
            raise KeyFileError(
                f"subject {sealed.subject}: was shredded, yet its key lies in this machine's"
                " keys folder again; run 'workbench log shred' with its name once more."
            )
        return PrivateField(field, sealed, "shredded", shredding.text("recorded_at"))
    if vault is None:
        return PrivateField(field, sealed, "sealed")
    if subject is None:
        raise KeyFileError(
            f"decision {entry.id!r}, field {field!r}: no key of subject {sealed.subject} here;"
            " open it on the machine that holds the log's keys."
        )
    data = vault.sealed_value(subject, sealed.commitment)
    if data is None:
        raise LogError(
            f"decision {entry.id!r}, field {field!r}: its ciphertext is not in {vault.folder};"
            " restore the vault from a backup, or append the same record again."
        )
    opening = subject.decrypt(data, entry.id, field, sealed.commitment)
    return PrivateField(field, sealed, "opened", opening=opening)


def check_opening(opening: Opening, proven: ProvenEntry) -> None:
    """Whether a proven entry committed to an opened value; needs no key of the vault.

    Raises:
        VerificationError: It did not.
    """
    record = parsed(proven.entry, proven.index)
    sealed = sealed_fields(record).get(opening.field)
    if record["id"] != opening.decision or sealed is None:
        raise VerificationError(
            f"opening: is of decision {opening.decision!r}, field {opening.field!r}; the proof is"
            f" of {record['id']!r}, which seals {', '.join(sealed_fields(record)) or 'nothing'}."
        )
    if sealed.commitment != opening.commitment():
        raise VerificationError(
            f"opening: its value and salt do not have the commitment of decision"
            f" {opening.decision!r}, field {opening.field!r}; one of them was changed."
        )
