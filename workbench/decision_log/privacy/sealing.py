"""Sealing: open private values of a record become commitments before the log sees the record."""

from typing import Any, Final

from workbench.contracts.canonical import canonical_json, parse_canonical
from workbench.contracts.private import PRIVATE, Private, Sealed, private_fields, sealed_fields
from workbench.decision_log.privacy.vault import Vault
from workbench.errors import ContractError

# Within a text the quotation marks would be escaped: in canonical JSON these bytes are a key.
_MARK: Final = f'"{PRIVATE}":'.encode()


def has_open_value(entry: bytes) -> bool:
    """Whether an entry in canonical JSON holds a private value that is not sealed yet."""
    return _MARK in entry


class Sealer:
    """Seals records for one log.

    Args:
        vault: Where the values go; durable there before an entry is returned.
    """

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def seal(self, entry: bytes, present: bytes | None) -> bytes:
        """The entry with every private value sealed; the same for the same record.

        Args:
            entry: Canonical JSON.
            present: What the log holds under the same id. Where the subject of a value was
                shredded since, its commitment is taken over: nothing is sealed for it anew.

        Raises:
            ContractError: A private value is malformed or in a wrong place.
            KeyFileError: The vault cannot be read or written.
        """
        if not has_open_value(entry):
            return entry
        record = _parsed(entry)
        before = sealed_fields(_parsed(present)) if present is not None else {}
        decision_id, detail = str(record["id"]), dict(record.get("detail", {}))
        private = private_fields(record)
        with self._vault.lock():
            for field, value in private.items():
                sealed = self._shredded(before.get(field)) or self._sealed(
                    decision_id, field, value
                )
                detail[field] = sealed.form()
        return canonical_json({**record, "detail": detail})

    def _sealed(self, decision_id: str, field: str, private: Private) -> Sealed:
        subject = self._vault.ensure_subject(private.subject)
        value = canonical_json(private.value)
        committed = self._vault.seal(subject, decision_id, field, value)
        return Sealed(subject.pseudonym, committed, private.label)

    def _shredded(self, sealed: Sealed | None) -> Sealed | None:
        gone = sealed is not None and self._vault.by_pseudonym(sealed.subject) is None
        return sealed if gone else None


def _parsed(entry: bytes) -> dict[str, Any]:
    try:
        record = parse_canonical(entry)
    except ValueError as error:
        raise ContractError(f"entry: {error}; expected canonical JSON.") from error
    if not isinstance(record, dict) or "id" not in record:
        raise ContractError("entry: no decision record; expected an object with an id.")
    return record
