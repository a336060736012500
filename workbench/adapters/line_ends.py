"""One line end in delimited text: files put together from several systems end lines in two ways."""

import re
from pathlib import Path
from typing import Final

_CHUNK_BYTES: Final = 1 << 20
_MARK: Final = re.compile(rb'"|\r\n|\r|\n')


def with_one_line_end(readable: Path, copy: Path) -> bool:
    """Write a copy whose records all end with a line feed; what quotes enclose stays as it is.

    Args:
        readable: Text in UTF-8.
        copy: What to write.

    Returns:
        Whether lines end in more than one way; else the copy says nothing new.
    """
    ends, quoted, held = set[bytes](), False, b""

    def put(mark: re.Match[bytes]) -> bytes:
        nonlocal quoted
        if mark[0] == b'"':
            quoted = not quoted
        elif not quoted:
            ends.add(mark[0])
            return b"\n"
        return mark[0]

    with readable.open("rb") as given, copy.open("wb") as even:
        while chunk := given.read(_CHUNK_BYTES):
            chunk, held = held + chunk, b""
            if chunk.endswith(b"\r"):  # a line feed may follow
                chunk, held = chunk[:-1], b"\r"
            even.write(_MARK.sub(put, chunk))
        even.write(_MARK.sub(put, held))
    return len(ends) > 1
