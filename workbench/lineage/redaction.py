"""Keeps secrets out of events and manifests."""

import re
from collections.abc import Mapping
from typing import Any, Final

REDACTED: Final = "[redacted]"
_NAMES: Final = re.compile(
    r"passw|secret|token|credential|api_?key|private_?key|access_?key|auth|dsn|connection_string",
    re.IGNORECASE,
)
_VALUES: Final = (
    re.compile(r"(?P<keep>[a-z][a-z0-9+.-]*://[^\s/:@]*):[^\s@]+@", re.IGNORECASE),  # user:pass@
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*"),
    re.compile(r"PRIVATE\+KEY\+\S+"),
    re.compile(r"\b(?:sk|ghp|gho|xox[abp]|AKIA)[-_A-Za-z0-9]{12,}"),
    re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]+"),  # JSON web token
)


def redacted(values: Mapping[str, Any]) -> dict[str, str]:
    """Values as text, with those that look like secrets by name or by form replaced."""
    return {
        name: REDACTED if _NAMES.search(name) and value not in ("", None) else redacted_text(value)
        for name, value in values.items()
    }


def redacted_text(value: Any) -> str:
    """Text with what looks like a secret replaced."""
    text = str(value)
    for pattern in _VALUES:
        text = pattern.sub(
            lambda m: (m.groupdict().get("keep") or "") + REDACTED + ("@" if "@" in m[0] else ""),
            text,
        )
    return text
