"""What makes an index complete where it is asked: sums over its rows, sealed with a secret.

What a lookup finds is compared with the log. What it does not find cannot be, so the index commits
to its rows. Rows fall into buckets by what they are looked up by; each bucket has a sum of keyed
hashes of its rows (multiset hash MSet-Add, Clarke et al. 2003); a keyed digest over all sums seals
them together with the size and root of the log that they belong to. A lookup adds up one bucket,
not the index. Who changes or hides a row without the secret is found out when that bucket is asked
for; an older index put back whole is sound for its size, and is brought up to date from the log.
"""

import hashlib
import hmac
import os
import secrets
import sqlite3
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from workbench.errors import KeyFileError, LogError
from workbench.workspace import keys_folder

FAMILIES: Final = ("id", "item", "order", "supersedes", "run", "model", "name")
BUCKETS: Final = 4096  # in each family
_IN_PART: Final = 64  # buckets whose sums are stored together
_PARTS: Final = BUCKETS // _IN_PART
_WIDTH: Final = 32  # bytes of a sum or hash
_MODULUS: Final = 1 << 8 * _WIDTH
_NO_SUMS: Final = bytes(_IN_PART * _WIDTH)
_OPEN: Final = b"an index without a secret: finds damage, not forgery"
NO_PARTS: Final = hashlib.sha256(_NO_SUMS).digest() * (_PARTS * len(FAMILIES))


class IndexAlteredError(LogError):
    """Rows of the index are not those that were entered; it is to be built anew."""


def bucket_of(key: str | bytes) -> int:
    """The bucket of whatever is looked up by this key."""
    data = key.encode("utf-8", "surrogatepass") if isinstance(key, str) else key
    return zlib.crc32(data) % BUCKETS


def index_secret(origin: str) -> bytes:
    """The secret that seals this machine's index of a log; made at first use, mode 0600.

    Raises:
        KeyFileError: It cannot be read or made, is malformed, or others can read it.
    """
    path = keys_folder() / f"{origin.replace('/', '_')}.index-seal"
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        staged = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        if not path.exists():
            _write_new(staged, path)
        if path.stat().st_mode & 0o077:
            raise KeyFileError(
                f"{path}: others can read the secret of the log's index; expected mode 600, delete"
                " it: another is made, and the index is built anew."
            )
        return bytes.fromhex(path.read_text(encoding="ascii"))
    except (OSError, ValueError) as error:
        raise KeyFileError(
            f"{path}: cannot be used ({error}); delete it, another is made and the index built"
            " anew, or set WORKBENCH_KEYS to a folder of your own."
        ) from error


def _write_new(staged: Path, path: Path) -> None:
    descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32))
        os.link(staged, path)  # whoever links first wins
    except FileExistsError:
        pass
    finally:
        staged.unlink()


class Sealer:
    """Hashes rows and seals sums with a secret; without one only stray changes are found."""

    def __init__(self, secret: bytes | None) -> None:
        self._secret = secret or _OPEN
        self._begun = [
            hashlib.blake2b(digest_size=_WIDTH, key=self._secret, salt=bytes([family]))
            for family in range(len(FAMILIES))
        ]

    def term(self, family: int, row: bytes) -> int:
        """What a row adds to the sum of its bucket."""
        hashed = self._begun[family].copy()
        hashed.update(row)
        return int.from_bytes(hashed.digest(), "big")

    def seal(self, size: int, root: bytes, parts: bytes) -> bytes:
        """Binds the sums to the entries that they are of."""
        text = b"workbench log index\0" + size.to_bytes(8, "big") + root + parts
        return hmac.digest(self._secret, text, "sha256")


def row_bytes(row: Sequence[Any]) -> bytes:
    """A row as it is hashed."""
    return repr(tuple(row)).encode("utf-8", "surrogatepass")


class Sums:
    """Sums of an index within one transaction: read and checked part by part, changed, written.

    Raises:
        IndexAlteredError: From any method, where what is stored is not what was sealed.
    """

    def __init__(self, connection: sqlite3.Connection, sealer: Sealer) -> None:
        size, root, parts, seal = connection.execute(
            "SELECT size, root, rows, seal FROM state"
        ).fetchone()
        self._parts = bytearray(parts)
        if len(self._parts) != len(NO_PARTS) or not hmac.compare_digest(
            bytes(seal), sealer.seal(int(size), bytes(root), bytes(parts))
        ):
            raise IndexAlteredError("the index of the log: its seal is not this machine's.")
        self._connection = connection
        self._sealer = sealer
        self._loaded: dict[int, bytes] = {}
        self._added: dict[tuple[int, int], int] = {}

    def of(self, family: int, bucket: int) -> int:
        """The sum over the rows that the bucket has."""
        number, place = divmod(bucket, _IN_PART)
        stored = self._part(family * _PARTS + number)
        begin = place * _WIDTH
        total = int.from_bytes(stored[begin : begin + _WIDTH], "big")
        return (total + self._added.get((family, bucket), 0)) % _MODULUS

    def add(self, family: int, bucket: int, row: bytes, *, sign: int = 1) -> None:
        """Count a row in; with sign -1, out."""
        key = (family, bucket)
        self._added[key] = self._added.get(key, 0) + sign * self._sealer.term(family, row)

    def check(self, family: int, bucket: int, rows: Iterable[Sequence[Any]]) -> None:
        """Refuse a bucket whose rows are not those that were entered."""
        total = sum(self._sealer.term(family, row_bytes(row)) for row in rows) % _MODULUS
        if total != self.of(family, bucket):
            raise IndexAlteredError("the index of the log: rows are not those that were entered.")

    def write(self, size: int, root: bytes) -> None:
        """Store what was added, sealed for the log of this size and root."""
        changed: dict[int, bytearray] = {}
        for family, bucket in self._added:
            number, place = divmod(bucket, _IN_PART)
            part = family * _PARTS + number
            sums = changed.setdefault(part, bytearray(self._part(part)))
            value = self.of(family, bucket).to_bytes(_WIDTH, "big")
            sums[place * _WIDTH : (place + 1) * _WIDTH] = value
        for part, sums in changed.items():
            self._parts[part * _WIDTH : (part + 1) * _WIDTH] = hashlib.sha256(sums).digest()
        self._connection.executemany(
            "INSERT OR REPLACE INTO sums VALUES (?, ?)",
            [(part, bytes(sums)) for part, sums in changed.items()],
        )
        parts = bytes(self._parts)
        self._connection.execute(
            "UPDATE state SET size = ?, root = ?, rows = ?, seal = ?",
            (size, root, parts, self._sealer.seal(size, root, parts)),
        )

    def _part(self, part: int) -> bytes:
        if part not in self._loaded:
            row = self._connection.execute("SELECT sums FROM sums WHERE part = ?", (part,))
            found = row.fetchone()
            sums = bytes(found[0]) if found else _NO_SUMS
            sealed = self._parts[part * _WIDTH : (part + 1) * _WIDTH]
            if len(sums) != len(_NO_SUMS) or hashlib.sha256(sums).digest() != sealed:
                raise IndexAlteredError("the index of the log: its sums were changed.")
            self._loaded[part] = sums
        return self._loaded[part]
