"""What a caller tells about a run; turned into facets by `events`."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from workbench.contracts.made_from import How
from workbench.contracts.records import ModelReference

JobKind = Literal["notebook", "step", "session"]


@dataclass(frozen=True)
class JobDescription:
    """A job: the thing of which each execution is a run.

    Attributes:
        name: Notebook's stem or step's name, for example `10-forecast-demand`.
        kind: `notebook` is run by Papermill, `step` is a function of the library, `session` a
            kernel that somebody works in.
        documentation: What it does, for people.
        source: File that holds its code.
        owner: Who answers for it, as its author wrote.
    """

    name: str
    kind: JobKind = "notebook"
    documentation: str | None = None
    source: Path | None = None
    owner: str | None = None


@dataclass(frozen=True)
class ParentRun:
    """The run that started this one; `root` is the first of the chain, itself when absent."""

    job: str
    run_id: str
    root: "ParentRun | None" = None


@dataclass(frozen=True)
class FileVersion:
    """A file outside the table store that a run read or wrote; `digest` is SHA-256 in hex.

    Attributes:
        digest: Empty for a database of a server, of which no digest is known.
        namespace: Of its dataset; default: `file`, with the absolute path as name.
        name: In that namespace.
    """

    path: Path
    digest: str
    size: int
    format: str | None = None
    namespace: str = ""
    name: str = ""


@dataclass(frozen=True)
class GateResult:
    """One check that a model had to pass before it could be used."""

    name: str
    passed: bool
    value: float | None = None
    limit: float | None = None


@dataclass(frozen=True)
class ModelUse:
    """A model that a run trained or used.

    Attributes:
        training_inputs: Table name to digest of the versions that it was trained on.
        gates: Checks it had to pass.
    """

    model: ModelReference
    role: Literal["trained", "used"] = "used"
    training_inputs: Mapping[str, str] = field(default_factory=dict)
    gates: Sequence[GateResult] = ()


@dataclass(frozen=True)
class LogRange:
    """Entries of the decision log that a run appended.

    Attributes:
        origin: Name of the log.
        entries: How many entries of the log are this run's.
        first_index: Index of the first of them; None when there are none.
        tree_size: Size of the log after the append.
        root_hash: Root at that size, in hex.
        checkpoint: Signed note of that size; kept here, it shows later if an older log is put back.
    """

    origin: str
    entries: int
    first_index: int | None
    tree_size: int
    root_hash: str
    checkpoint: str | None = None


@dataclass(frozen=True)
class Feed:
    """What one table was made from, of all that its run read.

    Attributes:
        tables: Names of tables; None: all that its run read, tables and files.
        files: Files that hold its values.
        settings: Files that say how it is made and hold none of its values.
        columns: Column of the table to the columns of these files and tables that it is made from;
            an empty list says that it is made from none. Columns left out are not stated.
        rows: Columns that decide which rows the table has.
    """

    tables: Sequence[str] | None = ()
    files: Sequence[FileVersion] = ()
    settings: Sequence[FileVersion] = ()
    columns: Mapping[str, Sequence["ColumnSource"]] = field(default_factory=dict)
    rows: Sequence["ColumnSource"] = ()


@dataclass(frozen=True)
class ColumnSource:
    """A column that another one is made from.

    Attributes:
        of: Name of a table, or a file.
        masked: The values cannot be told from the result, as in a keyed hash.
        how: What becomes of it, in the standard's words.
    """

    of: str | FileVersion
    column: str
    masked: bool = False
    how: How = "TRANSFORMATION"


@dataclass(frozen=True)
class ClusterUse:
    """Workers elsewhere that computed what a run made.

    Attributes:
        scheduler: Address that was given.
        workers: Processes.
        threads: Of all workers together.
        memory_bytes: Limit of the worker that has least; 0 where a worker has none.
    """

    scheduler: str
    workers: int
    threads: int
    memory_bytes: int


@dataclass(frozen=True)
class Found:
    """What only the end of a run can tell of its inputs, its outputs and of who computed.

    Attributes:
        files: Files that it read besides those known at its start.
        queries: SQL that it asked of DuckDB.
        subsets: By the name of a table, conditions of the rows read; "" stands for every row.
        assertions: Checks of the tables that it read.
        replaced: Names of output tables that had another version before.
        cluster: Who computed, where it was not this machine alone.
    """

    files: Sequence[FileVersion] = ()
    queries: Sequence[str] = ()
    subsets: Mapping[str, Sequence[str]] = field(default_factory=dict)
    assertions: Sequence["Assertion"] = ()
    replaced: Collection[str] = ()
    cluster: ClusterUse | None = None


@dataclass(frozen=True)
class Assertion:
    """One check of a table: what was expected and what was found, both for people."""

    table: str
    name: str
    passed: bool | None  # None: it could not be measured
    expected: str
    actual: str
    severity: str
    description: str
