"""The policy that a decision names: where its text is, and whether it has that digest."""

from pathlib import Path
from typing import Any, Final

from workbench.commands.tracing.check import PROVEN, missing

_SHOWN: Final = 300


class PolicyChecks:
    """Finds policies by digest; each is looked up once."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._found: dict[str, dict[str, Any]] = {}

    def check(self, digest: str) -> dict[str, Any]:
        """Where the policy's text is; the text itself where it is short."""
        if digest not in self._found:
            self._found[digest] = self._find(digest)
        return self._found[digest]

    def _find(self, digest: str) -> dict[str, Any]:
        from workbench.runs.policies import policy_file

        try:
            path = policy_file(self._root, digest)
            text = path.read_text(encoding="utf-8", errors="replace").strip() if path else ""
        except OSError as error:
            path, check = None, missing(f"{error.filename}: cannot be read ({error.strerror})")
        else:
            check = PROVEN if path else missing("no policy here has that digest")
        facts = {"digest": digest, "path": self._shown(path), **check.facts()}
        return {**facts, "text": text} if path and len(text) <= _SHOWN else facts

    def _shown(self, path: Path | None) -> str | None:
        if path is None:
            return None
        inside = path.is_relative_to(self._root)
        return path.relative_to(self._root).as_posix() if inside else path.as_posix()
