"""A file of answers: CSV, one answer a line.

Spreadsheets in much of Europe write semicolons between values and commas within numbers: a file
whose first line has the one is read with the other.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any, Final, cast

from workbench.decision_log.answers import VERBS, Answer, Verb, check_answer
from workbench.errors import LogError

_NEEDED: Final = ("proposal_id", "answer")
_THOUSANDS: Final = re.compile(r"\d{1,3}(\.\d{3})+")
_COLUMNS: Final = (*_NEEDED, "quantity", "reason_code", "reason", "expires", "again")


def read_answers(path: Path) -> list[tuple[int, Answer]]:
    """Answers with their line numbers, each checked by itself.

    Raises:
        LogError: The file is unreadable, lacks a column, or a line makes no sense.
    """
    answers: list[tuple[int, Answer]] = []
    seen: dict[str, int] = {}
    for line, row in _rows(path):
        where = f"{path}, line {line}"
        answer = _answer(where, row)
        if answer.target in seen:
            raise LogError(
                f"{where}: answers {answer.target!r} as line {seen[answer.target]} does; expected"
                " one answer each."
            )
        seen[answer.target] = line
        answers.append((line, answer))
    if not answers:
        raise LogError(f"{path}: no answers; expected a line for each below the column names.")
    return answers


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise LogError(
            f"{path}: cannot be read ({error.strerror}); expected a file of answers in CSV."
        ) from error
    except UnicodeDecodeError as error:
        raise LogError(
            f"{path}: byte {error.start} is not UTF-8; expected a CSV in UTF-8, save it as such."
        ) from error
    mark = ";" if ";" in text.partition("\n")[0] else ","
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=mark, strict=True)
    try:
        names = [name.strip() for name in reader.fieldnames or ()]
        _check_columns(path, names)
        reader.fieldnames = names
        for row in reader:
            if None in row or None in row.values():
                raise LogError(
                    f"{path}, line {reader.line_num}: expected {len(names)} values, as many as"
                    f" there are columns; quote texts that contain {mark!r}."
                )
            found = {name: value.strip() for name, value in row.items()}
            if mark == ";" and "quantity" in found:
                where = f"{path}, line {reader.line_num}"
                found["quantity"] = _with_point(where, found["quantity"])
            yield reader.line_num, found
    except csv.Error as error:
        raise LogError(f"{path}, line {reader.line_num}: not CSV ({error}); mend it.") from error


def _with_point(where: str, number: str) -> str:
    """A number of a file with semicolons, which may have a comma before its decimals."""
    if _THOUSANDS.fullmatch(number):
        raise LogError(
            f"{where}: quantity {number!r} may mean thousands or decimals; write it without the"
            " point or with a comma."
        )
    return number.replace(",", ".")


def _check_columns(path: Path, names: list[str]) -> None:
    missing = [name for name in _NEEDED if name not in names]
    unknown = [name for name in names if name not in _COLUMNS]
    if missing or unknown or len(set(names)) < len(names):
        found = f"no column {missing[0]!r}" if missing else f"columns {', '.join(names)}"
        raise LogError(f"{path}: {found[:200]}; expected {', '.join(_COLUMNS)}, each once.")


def _answer(where: str, row: Mapping[str, str]) -> Answer:
    given: dict[str, Any] = {name: row.get(name) or None for name in ("reason_code", "reason")}
    verb, target = row["answer"].lower(), row["proposal_id"]
    if verb not in VERBS or not target:
        raise LogError(
            f"{where}: proposal_id {target[:40]!r}, answer {verb[:40]!r}; expected an id and one of"
            f" {', '.join(VERBS)}."
        )
    try:
        quantity = float(row["quantity"]) if row.get("quantity") else None
        expires = date.fromisoformat(row["expires"]) if row.get("expires") else None
    except ValueError as error:
        raise LogError(
            f"{where}: {error}; expected a quantity as 12.5 and a day as 2018-01-31."
        ) from error
    again = row.get("again", "").lower() or "no"
    if again not in ("yes", "no"):
        raise LogError(f"{where}: again {again[:40]!r}; expected yes, no or nothing.")
    given["again"] = again == "yes"
    answer = Answer(target, cast(Verb, verb), quantity=quantity, expires=expires, **given)
    try:
        check_answer(answer)
    except LogError as error:
        raise LogError(f"{where}: {error}") from error
    return answer
