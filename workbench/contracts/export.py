"""Tables as CSV for spreadsheets, in which no text is taken for a formula.

A cell that begins with `=`, `+`, `-`, `@`, tab or carriage return is run by a spreadsheet that
opens the file; an apostrophe before it makes it text (OWASP, "CSV Injection"). Numbers stay.
"""

from typing import Final

import pandas as pd

_STARTS: Final = tuple("=+-@\t\r")


def safe_csv(frame: pd.DataFrame) -> str:
    """CSV whose text cells and names no spreadsheet takes for a formula."""
    safe = frame.apply(lambda column: column.map(_safe) if column.dtype == object else column)
    return str(safe.rename(columns=lambda name: _safe(str(name))).to_csv(index=False))


def _safe(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(_STARTS) else value
