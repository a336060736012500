"""What a kernel tells the runner back, kept in a file as the notebook goes."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from workbench.contracts.private import has_private
from workbench.contracts.records import FIELD_NAMES, ModelReference
from workbench.errors import ContractError

# Proposals have their own way in; the other kinds are for people and services to decide.
RECORDABLE: Final = ("fact", "outcome", "merge", "rollout", "model_promotion")
# Who speaks, for which run and on which inputs is for the runner to say.
_OF_THE_RUNNER: Final = frozenset(
    "kind recorded_at schema_version actor role as_of run_ids inputs models simulated evidence"
    " tier rule policy_digest".split()
)
_MOST_SQL: Final = 200_000  # characters kept of a run's queries
_FREE: Final = tuple(name for name in FIELD_NAMES if name not in _OF_THE_RUNNER)


def check_record(kind: str, fields: Mapping[str, Any]) -> None:
    """Refuse a record that is not for a notebook to make.

    Raises:
        ContractError: Naming the kind or field.
    """
    if kind not in RECORDABLE:
        raise ContractError(
            f"record: kind {kind!r} is not for a notebook; expected one of"
            f" {', '.join(RECORDABLE)}. Propose with 'run.propose'."
        )
    detail = fields.get("detail")
    if has_private(detail):
        raise ContractError(
            "record: detail holds a private value, which a notebook cannot record: what it"
            " writes is kept readable; expected plain values. Append it with the log's client."
        )
    if isinstance(detail, Mapping) and "pruned" in detail:
        raise ContractError(
            "record: detail.pruned lets entries go, which is not for a notebook; expected another"
            " name. Entries are pruned with 'workbench log prune'."
        )
    for name in fields:
        if name not in _FREE:
            raise ContractError(
                f"record: field {name!r} is not for a notebook; expected some of"
                f" {', '.join(_FREE)}. Put other facts into 'detail'."
            )


@dataclass
class Facts:
    """What a run tells of itself.

    Attributes:
        files: Files outside the table store that it read, by absolute path.
        queries: SQL that it asked, each text once.
        made_from: By the name of a staged table, which columns it is made from: of a kernel, what
            only it can know; the runner joins it with what the notebook states.
        subsets: By the name of a table, the SQL condition of the rows that were read; empty for
            all of them.
        cluster: What cluster computed: scheduler, workers, threads, memory; empty: none did.
    """

    headline: str = ""
    simulated: list[str] = field(default_factory=list)
    models: list[dict[str, str]] = field(default_factory=list)
    tables: dict[str, str] = field(default_factory=dict)
    records: list[dict[str, Any]] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    queries: list[str] = field(default_factory=list)
    made_from: dict[str, dict[str, Any]] = field(default_factory=dict)
    subsets: dict[str, list[str]] = field(default_factory=dict)
    cluster: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> "Facts":
        """Facts so far, none where the file does not exist yet."""
        if not path.exists():
            return cls()
        return cls(**json.loads(path.read_text(encoding="utf-8")))

    def save(self, path: Path) -> None:
        """Write atomically: the kernel may be killed at any time."""
        staged = path.with_suffix(".new")
        staged.write_text(json.dumps(asdict(self), default=str), encoding="utf-8")
        staged.replace(path)

    def note_query(self, sql: str) -> None:
        """Put a query on record once, while there is room."""
        text = " ".join(sql.split())
        if text not in self.queries and sum(map(len, self.queries)) + len(text) <= _MOST_SQL:
            self.queries.append(text)

    def note_subset(self, table: str, where: str | None) -> None:
        """Put on record which rows of a table are read; all of them, once they were."""
        known = self.subsets.setdefault(table, [])
        if where is None:
            self.subsets[table] = [""]
        elif "" not in known and where not in known:
            known.append(where)

    def add_model(self, reference: ModelReference) -> None:
        """Put a model on record once."""
        entry = asdict(reference)
        if entry not in self.models:
            self.models.append(entry)

    @property
    def references(self) -> list[ModelReference]:
        """The models as typed references."""
        return [ModelReference(**model) for model in self.models]
