"""Keeps secrets out of what leaves the process: by a parameter's name and by a value's form."""

import html
import itertools
import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final
from urllib.parse import quote, quote_plus

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
_NAMED: Final = (  # ends of names: what stands before them would only be matched in vain
    r"(?:password|passwd|passphrase|pwd|secret|token|credential|api[_-]?key|access[_-]?key|"
    r"account[_-]?key|private[_-]?key|authorization|signature|\bsig)"
)
_VALUES: Final = tuple(
    (hints.split(), re.compile(pattern, flags))
    for hints, pattern, flags in (  # hints: of these a text has one, or the pattern finds nothing
        (
            "PRIVATE",
            r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
            re.S,
        ),
        ("PRIVATE", r"PRIVATE\+KEY\+\S+", 0),  # signing key of a signed note
        ("://", r"(?<=://)[^/\s:@\"'<>]*:[^/\s\"'<>]+(?=@)", 0),  # user:password@ in a URL
        ("AKIA ASIA", r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b", 0),
        (
            "ghp_ gho_ ghu_ ghs_ ghr_ github_pat_ glpat-",
            r"\bgh[pousr]_[A-Za-z0-9]{20,}|\bgithub_pat_\w{20,}|\bglpat-[\w-]{16,}",
            0,
        ),
        (
            "xox npm_ pypi-",
            r"\bxox[abeoprs]-[\w-]{10,}|\bnpm_[A-Za-z0-9]{30,}|\bpypi-[\w-]{30,}",
            0,
        ),
        ("AIza k_ sk-", r"\bAIza[\w-]{35}|\b[rs]k_(?:live|test)_\w{16,}|\bsk-[\w-]{20,}", 0),
        ("eyJ", r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*", 0),  # JSON web token
        (
            "earer asic EARER ASIC",
            r"(?<=\bBearer )[\w.~+/=-]{8,}|(?<=\bBasic )[\w+/=-]{8,}",
            re.I,
        ),
    )
)
_NAMES_HINTS: Final = tuple("passw passphrase pwd secret token credential key auth sig".split())
_TYPED: Final = r"(?:str|bytes|int|float|bool)\b[ |None]*="
_ASSIGNED: Final = re.compile(
    rf"({_NAMED}[\"']?\s*(?::\s*{_TYPED}|[=:])\s*)"
    rf"(?!(?:\"\"|'')(?![\"'])|\[redacted\]|{_TYPED})"  # an empty text tells nothing
    r"(\"[^\"]+\"|'[^']+'|[^\s,;&)}\]]+)",
    re.I,
)
_OWN_SENTENCE: Final = re.compile(r"parameter '[\w.-]*$")  # about a name, without its value
_PASSWORD: Final = re.compile(r"://[^/\s:@]*:([^/\s\"'<>\\]+)@")
_SHORTEST: Final = 4  # characters of a secret that is looked for: shorter ones blot out words
_CUT: Final = 24  # characters of one whose first half is looked for, too
_TELLING: Final = 8  # characters of one that was found in a text: words of examples are shorter


class Redactor:
    """Redacts one run's texts; remembers secret values, so that no other text repeats them."""

    def __init__(self, parameters: Mapping[str, Any] | None = None) -> None:
        """Learn the values of secretly named parameters, at any depth."""
        self._known: set[str] = set()
        self._learn(parameters or {}, secret=False)

    def learn(self, text: str) -> None:
        """Remember the passwords of addresses in a text, to redact them where they stand alone."""
        found = [value for value in _PASSWORD.findall(text) if len(value) >= _TELLING]
        self._known.update(form for value in found for form in _forms(value))

    def parameters(self, parameters: Mapping[str, Any]) -> dict[str, str]:
        """Each parameter as text, JSON where it is not text already, with secrets redacted."""
        return {
            str(name): REDACTED if _hides(name, value) else self._value_text(value)
            for name, value in parameters.items()
        }

    @property
    def known(self) -> list[str]:
        """Every written form of the secrets that the parameters hold, longest first."""
        return sorted(self._known, key=len, reverse=True)

    def text(self, text: str) -> str:
        """The text without known secrets and without anything that has a secret's form."""
        text = self.without_known(text)
        for hints, pattern in _VALUES:
            if any(hint in text for hint in hints):
                text = pattern.sub(REDACTED, text)
        lower = text.lower()
        if any(hint in lower for hint in _NAMES_HINTS):
            text = _ASSIGNED.sub(_without_value, text)
        return text

    def without_known(self, text: str) -> str:
        """The text without the secrets that the parameters hold."""
        for value in self.known:
            text = text.replace(value, REDACTED)
        return text

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
        elif not _is_open(value):
            text = str(value)
            for found in [text] if secret else _secrets_within(text):
                self._known.update(form for form in _forms(found) if len(form) >= _SHORTEST)


def _without_value(found: re.Match[str]) -> str:
    before = found.string[max(0, found.start() - 80) : found.start()]
    return found.group() if _OWN_SENTENCE.search(before) else f"{found.group(1)}{REDACTED}"


def _secrets_within(text: str) -> list[str]:
    """Passwords in a text under an innocent name, which errors quote without what is around."""
    assigned = [match.group(2).strip("\"'") for match in _ASSIGNED.finditer(text)]
    return [*assigned, *_PASSWORD.findall(text)]


def _forms(value: str) -> Iterator[str]:
    """A value as it is, and as Python, JSON, HTML and addresses write it."""
    written = [value, value.strip(), repr(value)[1:-1], ascii(value)[1:-1]]
    written += [json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]]
    for text in written:
        yield from (text, html.escape(text), html.escape(text, quote=False))
        if len(text) >= _CUT:
            yield text[: len(text) // 2]  # tables show the beginning of what is long
    yield from (quote(value), quote(value, safe=""), quote_plus(value))


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


@lru_cache(maxsize=4096)
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
