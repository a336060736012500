"""What the runner tells a kernel: a JSON file named by `WORKBENCH_RUN_CONTEXT`."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Final

from workbench.errors import RunError

CONTEXT_VARIABLE: Final = "WORKBENCH_RUN_CONTEXT"
FACTS_FILE: Final = "facts.json"
STAGED_FOLDER: Final = "staged"
NOTEBOOK_FILE: Final = "notebook.ipynb"
REPORT_FILE: Final = "report.html"
MANIFEST_FILE: Final = "run.json"


@dataclass(frozen=True)
class Context:
    """One run, as its kernel sees it.

    Attributes:
        folder: Temporary folder that becomes the report when the run completes.
        inputs: Table name to pinned version.
        skip_key: With `attempt`, what ids of proposals follow from.
        threads: OpenMP threads of the kernel; sums may differ with them in the last bit.
        cluster: Address of the scheduler whose workers compute; empty: this machine alone.
    """

    run_id: str
    notebook: str
    as_of: str
    folder: str
    workspace: str
    inputs: Mapping[str, str]
    writes: tuple[str, ...]
    skip_key: str
    attempt: int
    threads: int = 0
    cluster: str = ""

    @property
    def day(self) -> date:
        return date.fromisoformat(self.as_of)

    def save(self, path: Path) -> None:
        """Write the context file."""
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")


def load_context() -> Context | None:
    """The context of this kernel, or None where the notebook is open interactively.

    Raises:
        RunError: The file that the variable names is unreadable.
    """
    path = os.environ.get(CONTEXT_VARIABLE)
    if not path:
        return None
    try:
        values = json.loads(Path(path).read_text(encoding="utf-8"))
        return Context(**{**values, "writes": tuple(values["writes"])})
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise RunError(
            f"{path}: not a run context ({error}); start runs with 'workbench run'."
        ) from (error)
