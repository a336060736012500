"""Pruned bundles: what the log says of them, and the digests of ids that stay in their place.

A full bundle of entries may be removed once an entry of the log names it (kind `fact`, with
`detail.pruned`). Its hash tiles stay. `pruned/NNN` keeps SHA-256 of each of its 256 ids, so that an
id is still never used twice and a question for one is answered.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from workbench.decision_log.tiles import TILE_WIDTH, bundle_path

ID_BYTES: Final = 32
MOST_BUNDLES: Final = 256  # that one entry names
PRUNE_ID: Final = "prune-"
_BUNDLES: Final = "tile/entries/"
_IDS: Final = "pruned/"
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Gone:
    """An entry of a pruned bundle: SHA-256 of its id."""

    id_digest: bytes


@dataclass(frozen=True)
class PrunedBundle:
    """What an entry says of a bundle: SHA-256 of its file, and of the file of its ids' digests."""

    sha256: str
    ids_sha256: str


@dataclass(frozen=True)
class Pruning:
    """An entry that lets bundles go.

    Attributes:
        entry: Its index; it names only bundles that were full before it.
        bundles: By their number.
    """

    entry: int
    recorded_at: str
    actor: str
    bundles: Mapping[int, PrunedBundle]

    def sentence(self) -> str:
        """For people."""
        return f"pruned on {self.recorded_at[:10]} by {self.actor} (entry {self.entry:,})"


def id_digest(decision_id: str) -> bytes:
    """What is kept of an id."""
    return sha256(decision_id.encode("utf-8", "surrogatepass")).digest()


def ids_path(number: int) -> str:
    """Where the digests of a bundle's ids are kept."""
    return bundle_path(number, TILE_WIDTH).replace(_BUNDLES, _IDS, 1)


def is_ids_path(path: str, bundles: int) -> bool:
    """Whether a path is that of one of the first bundles' ids, spelt exactly."""
    digits = path.removeprefix(_IDS).replace("x", "").replace("/", "")
    number = int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 16 else bundles
    return number < bundles and path == ids_path(number)


def decode_ids(data: bytes | None) -> list[Gone] | None:
    """Digests of a bundle's ids; None where they are missing or damaged."""
    if data is None or len(data) != TILE_WIDTH * ID_BYTES:
        return None
    return [Gone(data[start : start + ID_BYTES]) for start in range(0, len(data), ID_BYTES)]


def pruning_of(record: Mapping[str, Any], index: int) -> Pruning | None:
    """The pruning that a proven record at an index states; None where it states none."""
    if record.get("kind") != "fact":
        return None
    detail = record.get("detail")
    stated = detail.get("pruned") if isinstance(detail, Mapping) else None
    if not isinstance(stated, Mapping):
        return None
    first = stated.get("first_bundle")
    bundles, ids = _digests(stated.get("sha256")), _digests(stated.get("ids_sha256"))
    if type(first) is not int or first < 0 or len(bundles) != len(ids):
        return None
    if (first + len(bundles)) * TILE_WIDTH > index:
        return None
    pairs = zip(bundles, ids, strict=True)
    named = {first + offset: PrunedBundle(*pair) for offset, pair in enumerate(pairs)}
    return Pruning(index, str(record.get("recorded_at")), str(record.get("actor")), named)


def _digests(value: Any) -> list[str]:
    """A list of SHA-256 in hex; empty where it is none."""
    good = isinstance(value, list) and all(
        isinstance(one, str) and _DIGEST.fullmatch(one) for one in value
    )
    return value if good else []
