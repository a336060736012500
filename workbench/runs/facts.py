"""What a kernel tells the runner back, kept in a file as the notebook goes."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from workbench.contracts.records import ModelReference


@dataclass
class Facts:
    """Headline, simulated sources, models, staged tables and records of a run."""

    headline: str = ""
    simulated: list[str] = field(default_factory=list)
    models: list[dict[str, str]] = field(default_factory=list)
    tables: dict[str, str] = field(default_factory=dict)
    records: list[dict[str, Any]] = field(default_factory=list)

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

    def add_model(self, reference: ModelReference) -> None:
        """Put a model on record once."""
        entry = asdict(reference)
        if entry not in self.models:
            self.models.append(entry)

    @property
    def references(self) -> list[ModelReference]:
        """The models as typed references."""
        return [ModelReference(**model) for model in self.models]
