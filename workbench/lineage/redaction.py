"""Keeps secrets out of what leaves the process: by a parameter's name and by a value's form."""

import itertools
import json
import re
from collections.abc import Mapping
from typing import Any, Final

REDACTED: Final = "[redacted]"

_SECRET_WORDS: Final = frozenset(
    "password passwords passwd passphrase passcode pwd secret secrets token tokens credential"
    " credentials auth authorization bearer cookie dsn apikey accesskey privatekey jwt".split()
)
_SECRET_PAIRS: Final = frozenset(
    [(kind, "key") for kind in "api access private secret signing account encryption ssh".split()]
    + [("connection", "string"), ("connection", "uri"), ("sas", "url")]
)
_SECRET_PARTS: Final = ("password", "passwd", "passphrase", "apikey", "credential")
_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_NAMED: Final = (
    r"(?:[A-Za-z0-9_.-]*(?:password|passwd|passphrase|pwd|secret|token|credential|api[_-]?key|"
    r"access[_-]?key|account[_-]?key|private[_-]?key|authorization|signature|\bsig))"
)
_VALUES: Final = tuple(
    re.compile(pattern, flags)
    for pattern, flags in (
        (r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.S),
        (r"PRIVATE\+KEY\+\S+", 0),  # signing key of a signed note
        (r"(?<=://)[^/\s:@]*:[^/\s@]+(?=@)", 0),  # user:password@ in a URL
        (r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b", 0),
        (r"\bgh[pousr]_[A-Za-z0-9]{20,}|\bgithub_pat_\w{20,}|\bglpat-[\w-]{16,}", 0),
        (r"\bxox[abeoprs]-[\w-]{10,}|\bnpm_[A-Za-z0-9]{30,}|\bpypi-[\w-]{30,}", 0),
        (r"\bAIza[\w-]{35}|\b[rs]k_(?:live|test)_\w{16,}|\bsk-[\w-]{20,}", 0),
        (r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*", 0),  # JSON web token
        (r"(?<=\bBearer )[\w.~+/=-]{8,}|(?<=\bBasic )[\w+/=-]{8,}", re.I),
    )
)
_ASSIGNED: Final = re.compile(
    rf"({_NAMED}[\"']?\s*[=:]\s*)(\"[^\"]*\"|'[^']*'|[^\s,;&)}}\]]+)", re.I
)


class Redactor:
    """Redacts one run's texts; remembers secret values, so that no other text repeats them."""

    def __init__(self, parameters: Mapping[str, Any] | None = None) -> None:
        """Learn the values of secretly named parameters, at any depth."""
        self._known: set[str] = set()
        self._learn(parameters or {}, secret=False)

    def parameters(self, parameters: Mapping[str, Any]) -> dict[str, str]:
        """Each parameter as text, JSON where it is not text already, with secrets redacted."""
        return {
            str(name): REDACTED if _hides(name, value) else self._value_text(value)
            for name, value in parameters.items()
        }

    def text(self, text: str) -> str:
        """The text without known secrets and without anything that has a secret's form."""
        for value in sorted(self._known, key=len, reverse=True):
            text = text.replace(value, REDACTED)
        for pattern in _VALUES:
            text = pattern.sub(REDACTED, text)
        return _ASSIGNED.sub(rf"\1{REDACTED}", text)

    def _value_text(self, value: Any) -> str:
        if isinstance(value, str):
            return self.text(value)
        return json.dumps(self._plain(value), ensure_ascii=False, sort_keys=True)

    def _plain(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {
                str(key): REDACTED if _hides(key, item) else self._plain(item)
                for key, item in value.items()
            }
        if isinstance(value, (list, tuple, set, frozenset)):
            return [self._plain(item) for item in value]
        if value is None or isinstance(value, (bool, int, float)):
            return value
        return self.text(str(value))

    def _learn(self, value: Any, *, secret: bool) -> None:
        if isinstance(value, Mapping):
            for key, item in value.items():
                self._learn(item, secret=secret or is_secret_name(str(key)))
        elif isinstance(value, (list, tuple, set, frozenset)):
            for item in value:
                self._learn(item, secret=secret)
        elif secret and not _is_open(value) and len(str(value)) >= 4:  # not to blot out words
            self._known |= {str(value), json.dumps(str(value))[1:-1], repr(str(value))[1:-1]}


def _hides(name: Any, value: Any) -> bool:
    return is_secret_name(str(name)) and not _is_open(value)


def _is_open(value: Any) -> bool:
    """Values that tell nothing even under a secret's name."""
    return value is None or value == "" or isinstance(value, bool)


def redacted(values: Mapping[str, Any]) -> dict[str, str]:
    """Values as text, with secrets redacted."""
    return Redactor(values).parameters(values)


def redacted_text(text: str) -> str:
    """Text without anything that has a secret's form."""
    return Redactor().text(text)


def is_secret_name(name: str) -> bool:
    """Whether a parameter of this name holds a secret: `api_key`, `dbPassword`, not `author`."""
    words = [word.lower() for word in _WORD.findall(name)]
    pairs = itertools.pairwise(words)
    return (
        not _SECRET_WORDS.isdisjoint(words)
        or not _SECRET_PAIRS.isdisjoint(pairs)
        or words[-1:] == ["pass"]
        or any(part in name.lower() for part in _SECRET_PARTS)
    )
