"""Private values as bytes: canonical JSON, padded so that ciphertexts tell little of its length."""

import json
from typing import Any, Final

from workbench.errors import VerificationError

_PADDED_TO: Final = 64


def padded(value: bytes) -> bytes:
    """Canonical JSON with spaces behind it, up to the next multiple of 64 bytes."""
    return value + b" " * (-len(value) % _PADDED_TO)


def parse_value(value: bytes, where: str) -> Any:
    """A value from its canonical JSON.

    Raises:
        VerificationError: It is no JSON.
    """
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as error:
        raise VerificationError(f"{where}: its private value is no JSON.") from error
