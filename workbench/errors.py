"""Every error that a user can cause, under one root.

    WorkbenchError
    ├── ConfigError            settings and workspace
    │   └── ParameterError     notebook parameters
    ├── ContractError          data that breaks a table contract
    ├── SourceError            a file or database that ingest reads
    ├── TableError             the table store
    │   ├── TableNotFoundError
    │   └── TableAlteredError  files are not those that were written
    ├── RunError               execution of a notebook or step
    │   └── CrateError         a run as a file: what it holds, or its bytes
    ├── LineageError           lineage journal and events
    ├── LogError               the decision log
    │   ├── ImmutableError     different bytes for something already written
    │   ├── LockedError        another process holds the log
    │   ├── KeyFileError       signing or verifier key
    │   ├── PrunedError        an entry of which the log keeps the hash only
    │   └── VerificationError  the log, a proof or a signature does not hold
    ├── ModelError             model packages
    └── DashboardError         pages and snapshots

Messages are one sentence that names the place, what was found, what was expected and what to do.
The command line prints the message and exits with 1; it catches nothing else.
"""


class WorkbenchError(Exception):
    """Root of all errors that a user can cause and mend."""


class ConfigError(WorkbenchError):
    """A setting or the workspace is missing or wrong."""


class ParameterError(ConfigError):
    """A notebook parameter is unknown, mistyped or out of range."""


class ContractError(WorkbenchError):
    """Data breaks the contract of its table."""


class SourceError(WorkbenchError):
    """A source that ingest should read is missing or unreadable."""


class TableError(WorkbenchError):
    """A table version cannot be written or read."""


class TableNotFoundError(TableError):
    """No version of the table exists yet."""


class TableAlteredError(TableError):
    """Files of a version are not those that were written."""


class RunError(WorkbenchError):
    """A notebook or step failed or could not start."""


class CrateError(RunError):
    """A crate cannot be made of a run, or one that was given is not as it was made."""


class LineageError(WorkbenchError):
    """A lineage event or the journal is not valid or not writable."""


class LogError(WorkbenchError):
    """The decision log refused or failed an operation."""


class ImmutableError(LogError):
    """Something already written would be replaced by different bytes."""


class LockedError(LogError):
    """Another process holds the log's write lock."""


class KeyFileError(LogError):
    """A key is missing, malformed or readable by others."""


class PrunedError(LogError):
    """The entry's content was removed by retention; its hash stays."""


class VerificationError(LogError):
    """The log, a proof or a signature does not hold."""


class ModelError(WorkbenchError):
    """A model package is missing, altered or cannot be run."""


class DashboardError(WorkbenchError):
    """A page or snapshot cannot be served or published."""
