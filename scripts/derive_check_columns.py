"""Writes `workbench/readiness/check_columns.py`: what each check looks at, by DuckDB's own plan."""

from pathlib import Path

from workbench.readiness.checks import all_checks
from workbench.readiness.config import ReadinessConfig
from workbench.tables.plan import columns_read

TARGET = Path(__file__).resolve().parent.parent / "workbench/readiness/check_columns.py"
HEAD = '''"""Columns that the answers of each check follow from.

Written by `python scripts/derive_check_columns.py` from DuckDB's plan of each query; a test derives
them again. Run it after a check was added or changed.
"""

from collections.abc import Mapping
from typing import Final

# By check and by column of its answer: `table.column`, separated by spaces.
CHECK_COLUMNS: Final[Mapping[str, Mapping[str, str]]] = {
'''


def derived() -> dict[str, dict[str, str]]:
    """By check and column of its answer, the columns that a plan of only that needs."""
    return {check.id: _of(check.query(ReadinessConfig())) for check in all_checks()}


def _of(query: str) -> dict[str, str]:
    from workbench.tables.plan import answer_columns

    return {
        answer: " ".join(sorted(f"{table}.{name}" for table, name in columns_read(
            f"SELECT {answer} FROM ({query})")))
        for answer in answer_columns(query)
    }  # fmt: skip


def text() -> str:
    """The module as it should be."""
    lines = []
    for check, answers in derived().items():
        lines.append(f'    "{check}": {{\n')
        for answer, columns in answers.items():
            lines.append(f'        "{answer}": (\n')
            words = columns.split()
            parts, line = [], ""
            for number, word in enumerate(words):
                piece = word if number == len(words) - 1 else f"{word} "
                if len(line) + len(piece) > 82:
                    parts.append(line)
                    line = ""
                line += piece
            lines.extend(f'            "{part}"\n' for part in [*parts, line])
            lines.append("        ),\n")
        lines.append("    },\n")
    return HEAD + "".join(lines) + "}\n"


if __name__ == "__main__":
    TARGET.write_text(text(), encoding="utf-8")
