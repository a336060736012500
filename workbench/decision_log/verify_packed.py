"""Verifies a packed trace with nothing but the packet and a key from elsewhere.

What a packet says is believed as far as it hangs on the signed checkpoint: entries by their proofs,
records as copies of proven entries, policies and blocks of rows by digests that proven records
name. Everything else in it is the word of whoever packed it, and is named as that.
"""

import hashlib
import json
import re
import stat
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from workbench.contracts.printable import one_line
from workbench.decision_log.cosignature import Cosignature, Quorum
from workbench.decision_log.prove import ProvenEntry, verify_bundle
from workbench.errors import VerificationError
from workbench.merkle import leaf_hash, verify_inclusion
from workbench.tables.blocks import BLOCK_ROWS

BEGINNING: Final = b"PK\x03\x04"  # of a zip that is not empty
_SUMS: Final = "SHA256SUMS"
_UNREADABLE: Final = (
    zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, ValueError, EOFError,
    OSError,
)  # fmt: skip
_MOST_FILES: Final = 20_000
_MOST_BYTES: Final = 1 << 28  # of all files, unpacked
_PLAIN: Final = re.compile(r"(?:[A-Za-z0-9_-][A-Za-z0-9_.-]*/)*[A-Za-z0-9_-][A-Za-z0-9_.-]*")
_SUM: Final = re.compile(r"([0-9a-f]{64})  (.+)")
_HASH: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class PackedReport:
    """What a packet proves; all of it holds, or an error would have been raised.

    Attributes:
        entries: Proven, in the order of the log.
        policies: How many texts of rules have a digest that a proven record names.
        blocks: How many blocks of input rows lead to a digest that a proven record names.
        with_rows: How many of those are in the packet themselves.
        unsigned: Files that nothing signed vouches for.
    """

    entries: tuple[ProvenEntry, ...]
    policies: int
    blocks: int
    with_rows: int
    unsigned: tuple[str, ...]

    @property
    def cosignatures(self) -> tuple[Cosignature, ...]:
        """Of the checkpoint, by known witnesses."""
        return self.entries[0].cosignatures

    def summary(self) -> str:
        """For people: what is proven, the chain as the proven records tell it, and what is not."""
        signed = self.entries[0].checkpoint
        lines = [
            f"Verified: {len(self.entries):,} entries are included under the signed checkpoint of"
            f" {signed.origin}, size {signed.size:,}; their records are here byte for byte"
        ]
        lines += [cosigned.sentence() for cosigned in self.cosignatures]
        lines += [_told(entry) for entry in self.entries]
        if self.policies:
            lines.append(f"Policy texts with the digests in these records: {self.policies:,}.")
        if self.blocks:
            lines.append(
                f"Blocks of input rows that lead to table digests in these records:"
                f" {self.blocks:,}; here themselves: {self.with_rows:,}."
            )
        folders = sorted({name.partition("/")[0] for name in self.unsigned})
        folders = ["names of columns in rows" if name == "rows" else name for name in folders]
        return "\n".join(
            [*lines, f"Not signed, the word of whoever packed this: {', '.join(folders)}."]
        )


def _told(proven: ProvenEntry) -> str:
    record = proven.record()
    after = f" answers {record['supersedes']}" if record.get("supersedes") else ""
    told = f"{record.get('kind')} {record['id']}{after}, by {record.get('actor')}"
    return one_line(f"entry {proven.index:,}: {told} at {record.get('recorded_at')}")


def verify_packed(path: Path, key: str, quorum: Quorum | None = None) -> PackedReport:
    """Verify the zip of `workbench trace --bundle`; nothing of it is unpacked.

    Args:
        path: Of the zip.
        key: Verifier key, name+id+base64, from outside the packet.
        quorum: Witnesses known from outside, and how many must have cosigned.

    Raises:
        VerificationError: Naming the first file that does not hold.
        KeyFileError: The key is malformed.
    """
    files = _read(path)
    _check_sums(files)
    rotations = [_text(files, name) for name in sorted(files) if _in(name, "keys", ".proof")]
    entries = tuple(_entries(files, key, quorum, rotations))
    records = [entry.record() for entry in entries]
    policies = _policies(files, records)
    blocks = [_blocks(files, name, records) for name in files if _in(name, "rows", ".json")]
    present = [name for names in blocks for name in names if name is not None]
    proven = {"checkpoint", _SUMS, *policies, *present}
    signed = ("proofs/", "records/", "keys/")
    unsigned = [name for name in sorted(files) if name not in proven]
    return PackedReport(
        entries, len(policies), sum(map(len, blocks)), len(present),
        tuple(name for name in unsigned if not name.startswith(signed)),
    )  # fmt: skip


def _in(name: str, folder: str, ending: str) -> bool:
    return name.startswith(f"{folder}/") and name.endswith(ending)


def _read(path: Path) -> dict[str, bytes]:
    """All files of a zip that unpacks into one folder, each once."""
    files: dict[str, bytes] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if len(members) > _MOST_FILES or sum(one.file_size for one in members) > _MOST_BYTES:
                raise VerificationError(f"{path}: too large unpacked; expected a packed trace.")
            for member in members:
                kind = stat.S_IFMT(member.external_attr >> 16)
                if not _PLAIN.fullmatch(member.filename) or kind not in (0, stat.S_IFREG):
                    raise VerificationError(
                        f"{path}: holds {member.filename!r}; expected plain files within one"
                        " folder. Do not unpack it."
                    )
                if member.filename in files:
                    raise VerificationError(f"{path}: holds {member.filename!r} twice.")
                with archive.open(member) as file:
                    data = file.read(member.file_size + 1)
                if len(data) != member.file_size:
                    raise VerificationError(f"{path}: {member.filename}: not of its stated size.")
                files[member.filename] = data
    except _UNREADABLE as error:
        raise VerificationError(f"{path}: no zip that can be read ({error}).") from error
    return files


def _check_sums(files: Mapping[str, bytes]) -> None:
    listed: dict[str, str] = {}
    for line in _text(files, _SUMS).splitlines():
        match = _SUM.fullmatch(line)
        if match is None or match[2] in listed:
            raise VerificationError(f"{_SUMS}: line {line[:80]!r}; expected a digest and a file.")
        listed[match[2]] = match[1]
    differing = sorted(listed.keys() ^ (files.keys() - {_SUMS}))
    if differing:
        raise VerificationError(
            f"{differing[0]}: is in {_SUMS} or in the packet only, not in both."
        )
    for name, digest in listed.items():
        if hashlib.sha256(files[name]).hexdigest() != digest:
            raise VerificationError(f"{name}: differs from its digest in {_SUMS}.")


def _text(files: Mapping[str, bytes], name: str) -> str:
    data = files.get(name)
    if data is None:
        raise VerificationError(f"{name}: missing; expected a packed trace.")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise VerificationError(f"{name}: not UTF-8 at byte {error.start}.") from error


def _entries(
    files: Mapping[str, bytes], key: str, quorum: Quorum | None, rotations: Sequence[str]
) -> list[ProvenEntry]:
    """Every proof under the packet's one checkpoint, with its record beside it."""
    names = sorted(name for name in files if _in(name, "proofs", ".proof"))
    if not names:
        raise VerificationError("proofs/: no proof in the packet; expected one for each entry.")
    note, entries = _text(files, "checkpoint"), []
    for name in names:
        bundle = _text(files, name)
        try:
            proven = verify_bundle(bundle, key, quorum, rotations=rotations)
            proven.record()
        except VerificationError as error:
            raise VerificationError(f"{name}: {error}") from error
        if bundle.partition("\n\n")[2] != note:
            raise VerificationError(f"{name}: is of another checkpoint than the packet's own.")
        record = name.replace("proofs/", "records/", 1).removesuffix(".proof") + ".json"
        if files.get(record) != proven.entry:
            raise VerificationError(f"{record}: missing, or not the entry that {name} proves.")
        entries.append(proven)
    extra = sum(name.startswith("records/") for name in files) - len(names)
    if extra:
        raise VerificationError(f"records/: {extra} records without a proof.")
    return sorted(entries, key=lambda entry: entry.index)


def _policies(files: Mapping[str, bytes], records: Sequence[Mapping[str, Any]]) -> list[str]:
    named = {record.get("policy_digest") for record in records}
    found = [name for name in files if name.startswith("policies/")]
    for name in found:
        digest = hashlib.sha256(files[name]).hexdigest()
        if digest not in named or name != f"policies/{digest}.txt":
            raise VerificationError(f"{name}: its SHA-256 is in no proven record under that name.")
    return found


def _blocks(
    files: Mapping[str, bytes], name: str, records: Sequence[Mapping[str, Any]]
) -> list[str | None]:
    """Checks where rows lie; gives for each block the file that holds it, None where none does."""
    try:
        stated = json.loads(_text(files, name))
        evidence = {key: stated[key] for key in ("table", "digest", "first_row", "last_row")}
        blocks = [_Block.parse(block) for block in stated["blocks"]]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise VerificationError(f"{name}: malformed; expected blocks of rows.") from error
    rests_on = [one for record in records for one in record.get("evidence", [])]
    if evidence not in rests_on or not _HASH.fullmatch(str(evidence["digest"])):
        raise VerificationError(f"{name}: no proven record rests on these rows.")
    first, last = int(evidence["first_row"]), int(evidence["last_row"])
    if [block.index for block in blocks] != [*range(first // BLOCK_ROWS, last // BLOCK_ROWS + 1)]:
        raise VerificationError(f"{name}: its blocks are not those of rows {first} to {last}.")
    found = []
    for block in blocks:
        held = f"{name.removesuffix('.json')}-block-{block.index}.bin"
        data = files.get(held)
        whole = data is None or leaf_hash(data) == block.leaf
        if not whole or not block.leads_to(bytes.fromhex(str(evidence["digest"]))):
            place = name if whole else held
            raise VerificationError(f"{place}: block {block.index} is not in the table's digest.")
        found.append(held if data is not None else None)
    return found


@dataclass(frozen=True)
class _Block:
    """A block of rows in the tree of a table."""

    index: int
    leaf: bytes
    size: int
    path: tuple[bytes, ...]

    @staticmethod
    def parse(stated: Mapping[str, Any]) -> "_Block":
        if not all(_HASH.fullmatch(text) for text in (stated["leaf"], *stated["path"])):
            raise ValueError("no hash")
        path = tuple(bytes.fromhex(node) for node in stated["path"])
        return _Block(int(stated["block"]), bytes.fromhex(stated["leaf"]), int(stated["of"]), path)

    def leads_to(self, root: bytes) -> bool:
        return verify_inclusion(self.leaf, self.index, self.size, self.path, root)
