"""Row evidence: whether the rows that a decision names lie in that version of the table."""

import json
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.commands.tracing.check import PROVEN, Check, altered, missing
from workbench.errors import TableAlteredError, TableError

if TYPE_CHECKING:
    from workbench.tables.versions import TableVersion


@dataclass
class _Versions:
    """Versions of a table by digest, and what is wrong with those that cannot be opened."""

    sound: dict[str, "TableVersion"] = field(default_factory=dict)
    damaged: dict[Path, TableError] = field(default_factory=dict)


class RowChecks:
    """Proves row evidence against the table store; each block is read once."""

    def __init__(self, tables: Path) -> None:
        self._tables = tables
        self._versions: dict[str, _Versions] = {}
        self._blocks: dict[tuple[Path, int], Check] = {}

    def check(self, evidence: dict[str, Any], names: Collection[str] = ()) -> Check:
        """Whether all blocks from the first to the last row prove to be in the version.

        Args:
            evidence: Table, digest, first and last row, as the decision record holds them.
            names: Names of the version that runs give, in case its manifest no longer tells.
        """
        from workbench.tables.blocks import BLOCK_ROWS

        table, digest = str(evidence["table"]), str(evidence["digest"])
        first, last = int(evidence["first_row"]), int(evidence["last_row"])
        versions = self._of(table)
        version = versions.sound.get(digest)
        if version is None:
            return _without(versions, digest, names)
        if not 0 <= first <= last < version.rows:
            return altered(f"the version has {version.rows:,} rows")
        later = range((first // BLOCK_ROWS + 1) * BLOCK_ROWS, last + 1, BLOCK_ROWS)
        checks = [self._block(version, row) for row in (first, *later)]
        return next((check for check in checks if check != PROVEN), PROVEN)

    def version(self, table: str, digest: str) -> "TableVersion | None":
        """The sound version of a table with this digest; None where there is none here."""
        return self._of(table).sound.get(digest)

    def _of(self, table: str) -> _Versions:
        from workbench.tables.versions import open_version

        if table not in self._versions:
            found = self._versions.setdefault(table, _Versions())
            home = self._tables / Path(table).name
            for manifest in sorted(home.glob("[!.]*/manifest.json")):
                try:
                    version = open_version(manifest.parent)
                    found.sound[version.digest] = version
                except TableError as error:
                    found.damaged[manifest.parent] = error
        return self._versions[table]

    def _block(self, version: "TableVersion", row: int) -> Check:
        from workbench.tables.blocks import BLOCK_ROWS

        key = (version.path, row // BLOCK_ROWS)
        if key not in self._blocks:
            self._blocks[key] = _prove(version, row)
        return self._blocks[key]


def _prove(version: "TableVersion", row: int) -> Check:
    from workbench.tables.evidence import row_proof, verify_row_proof

    try:
        holds = verify_row_proof(row_proof(version, row), version.digest)
    except TableError as error:
        return _failed(error)
    except OSError as error:
        return missing(f"{version.path}: cannot be read ({error.strerror})")
    return PROVEN if holds else altered("its rows are not those of the digest")


def _without(versions: _Versions, digest: str, names: Collection[str]) -> Check:
    for folder, error in versions.damaged.items():
        if folder.name in names or _claimed(folder) == digest:
            return _failed(error)
    return missing("version not kept here")


def _failed(error: TableError) -> Check:
    return altered(str(error)) if isinstance(error, TableAlteredError) else missing(str(error))


def _claimed(folder: Path) -> str | None:
    """Digest that a damaged version's manifest names, if it is legible."""
    try:
        return str(json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["digest"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
