"""Text that others wrote, as it may be shown: nothing in it steers a terminal or a page.

Control characters move a terminal's cursor and colour its text, bidirectional ones reverse what a
reader sees: either could put a false verdict over a true one (CVE-2021-42574 is the same in source
code). They are shown as JSON escapes, so that JSON stays JSON of the same value.
"""

import re
from typing import Any, Final

# C0 without tab and line feed, DEL and C1; directional marks, embeddings, overrides and isolates;
# separators of lines and paragraphs; halves of surrogate pairs, which file names may hold.
_STEERING: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029"
    "\ud800-\udfff]"
)
_BREAKS: Final = str.maketrans({"\n": "\\n", "\t": "\\t"})


def printable(text: str) -> str:
    """The text with escapes in place of what steers; line feeds and tabs stay."""
    return _STEERING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def one_line(text: str) -> str:
    """As `printable`, without line feeds and tabs: a name or a value that begins no line."""
    return printable(text).translate(_BREAKS)


def counted(number: int, word: str) -> str:
    """A number with its noun, which takes an s unless there is one: `1 order`, `2,000 orders`."""
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"


def compared(change: float, words: str = "less more", *, decimals: int = 0) -> str:
    """A change as a share in words, never with a sign: −0.25 is `25% less`, 0.003 is `0.3% more`.

    Args:
        change: Share by which it is larger; below zero: smaller.
        words: What it is when it is smaller, and when it is larger.
        decimals: Of the per cent; one more where the change would be none.
    """
    smaller, larger = words.split()
    size = f"{abs(change):.{decimals}%}"
    if not size.strip("0.%"):
        size = f"{abs(change):.{decimals + 1}%}"
    return f"{size} {smaller if change < 0 else larger}"


def one_line_each(value: Any) -> Any:
    """Facts with every text, keys too, on one line."""
    if isinstance(value, str):
        return one_line(value)
    if isinstance(value, dict):
        return {one_line_each(key): one_line_each(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [one_line_each(item) for item in value]
    return value
