"""How far typed package sizes of an item master are understood, and what is not."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from workbench.contracts import columns as c
from workbench.contracts.units import Unparsed, parse_size


@dataclass(frozen=True)
class Coverage:
    """Result of reading the sizes.

    Attributes:
        stated: Items with a size text.
        parsed: Of these, items whose text was read.
        reasons: Why others were not, with the number of items.
        samples: Texts that were not read, those of most items first, with why and how many.
    """

    stated: int
    parsed: int
    reasons: dict[str, int]
    samples: Sequence[tuple[str, str, int]]

    @property
    def share(self) -> float:
        """Share of stated sizes that were read."""
        return self.parsed / self.stated if self.stated else 1.0


def coverage(items: pd.DataFrame, *, samples: int = 10) -> Coverage:
    """Read every size text of a table `items`."""
    texts = Counter(items[c.PACK_TEXT].dropna())
    unread = {
        text: result.reason for text in texts if isinstance(result := parse_size(text), Unparsed)
    }
    reasons: Counter[str] = Counter()
    for text, reason in unread.items():
        reasons[reason] += texts[text]
    common = sorted(unread, key=lambda text: (-texts[text], text))[:samples]
    return Coverage(
        stated=texts.total(),
        parsed=texts.total() - reasons.total(),
        reasons=dict(reasons.most_common()),
        samples=[(text, unread[text], texts[text]) for text in common],
    )
