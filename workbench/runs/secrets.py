"""Secrets among the parameters stay out of everything that a run leaves.

An executed notebook is redacted before it is written, every time: whatever ends the run, also the
death of its process, no copy with a secret is on disk.
"""

import json
import mmap
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from workbench.errors import RunError
from workbench.lineage.redaction import REDACTED, Redactor, is_secret_name, redacted
from workbench.runs.context import FACTS_FILE, NOTEBOOK_FILE, STAGED_FOLDER

SCHEME: Final = "redacted://"
_COLOUR: Final = re.compile(r"\x1b\[[0-9;]*m")
_TEXT: Final = frozenset(
    ".csv .tsv .txt .md .svg .xml .json .ndjson .jsonl .yaml .yml .toml .log .sql".split()
)
_PAGES: Final = frozenset({".html", ".htm"})  # with scripts, whose names only look like secrets
_LONG_ENOUGH: Final = 8  # characters of a secret whose appearance in a table is no coincidence


def public_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as they are, apart from secrets, which are redacted."""
    shown = redacted(parameters)
    return {
        name: shown[name] if REDACTED in shown[name] else value
        for name, value in parameters.items()
    }


class RedactedNotebooks:
    """Writes executed notebooks for Papermill, each without the secrets of its run."""

    def __init__(self) -> None:
        self._redactors: dict[str, Redactor] = {}

    @contextmanager
    def output(self, path: Path, parameters: Mapping[str, Any]) -> Iterator[str]:
        """Name under which Papermill writes to `path` while this lasts."""
        name = f"{SCHEME}{path}"
        self._redactors[name] = Redactor(parameters)
        try:
            yield name
        finally:
            del self._redactors[name]

    def write(self, text: str, name: str) -> None:
        """Replace the file as a whole."""
        redactor = self._redactors[name]
        redactor.learn(text)
        clean = without_secrets(json.loads(text.replace(SCHEME, "")), redactor)
        path = Path(name.removeprefix(SCHEME))
        staged = path.with_name(f".{path.name}")
        try:
            staged.write_text(json.dumps(clean, indent=1, ensure_ascii=False) + "\n", "utf-8")
            staged.replace(path)
        finally:
            staged.unlink(missing_ok=True)

    def pretty_path(self, name: str) -> str:
        """The path, for Papermill's messages."""
        return name.removeprefix(SCHEME)


def without_secrets(value: Any, redactor: Redactor) -> Any:
    """JSON content with every text redacted, and what secret names hold."""
    if isinstance(value, str):
        return _clean_text(value, redactor)
    if isinstance(value, list):
        return _clean_list(value, redactor)
    if isinstance(value, dict):
        return {
            _clean_text(key, redactor): REDACTED
            if isinstance(item, str) and item and is_secret_name(key)
            else without_secrets(item, redactor)
            for key, item in value.items()
        }
    return value


def _clean_list(values: list[Any], redactor: Redactor) -> list[Any]:
    """Lines of one text are redacted together: a secret may have several lines."""
    texts = [value for value in values if isinstance(value, str)]
    if len(texts) < len(values) or not all(text.endswith("\n") for text in texts[:-1]):
        return [without_secrets(value, redactor) for value in values]
    return _clean_text("".join(texts), redactor).splitlines(keepends=True)


def _clean_text(text: str, redactor: Redactor) -> str:
    """A text redacted; where colours hide a secret, it loses them."""
    if "\x1b[" in text:
        plain = _COLOUR.sub("", text)
        clean = redactor.text(plain)
        if clean != plain:
            return clean
    return redactor.text(text)


def redact_artefacts(folder: Path, parameters: Mapping[str, Any]) -> None:
    """Redact the text files that a notebook has saved beside itself.

    Raises:
        RunError: A table, a decision or another file that cannot be redacted holds the value of a
            secret parameter.
    """
    redactor = Redactor(parameters)
    telling = [value.encode() for value in redactor.known if len(value) >= _LONG_ENOUGH]
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name not in (NOTEBOOK_FILE, FACTS_FILE):
            suffix = path.suffix.lower()
            is_staged = STAGED_FOLDER in path.relative_to(folder).parts  # bytes with a digest
            if suffix in _TEXT and not is_staged:
                _rewrite(path, redactor.text, redactor)
            elif suffix in _PAGES and not is_staged:
                _rewrite(path, redactor.without_known, redactor)
            elif telling and _holds(path, telling):
                raise RunError(
                    f"{path.relative_to(folder)}: holds the value of a secret parameter; expected"
                    " none in what a run leaves. Take it out of the data that the notebook saves."
                )


def _rewrite(path: Path, redact: Callable[[str], str], redactor: Redactor) -> None:
    given = path.read_text(encoding="utf-8", errors="surrogateescape")
    clean = redact(given)
    if clean == given:
        return
    if path.suffix.lower() == ".json":
        with suppress(ValueError):  # what is JSON stays JSON
            clean = json.dumps(without_secrets(json.loads(given), redactor))
    path.write_text(clean, encoding="utf-8", errors="surrogateescape")


def _holds(path: Path, values: list[bytes]) -> bool:
    if not path.stat().st_size:
        return False
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return any(content.find(value) >= 0 for value in values)
