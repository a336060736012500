"""The built-in policy: the text that decides while no rules of the SOP do."""

from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Final

from workbench.resources import resource

BUILT_IN_RULE: Final = "built-in/manual"
POLICIES_FOLDER: Final = "governance/policies"
_BUILT_IN: Final = f"{POLICIES_FOLDER}/built-in-manual.txt"


@cache
def built_in_digest() -> str:
    """SHA-256 of the built-in policy's file, in hex; decisions by it hold this digest."""
    return sha256(resource(_BUILT_IN).read_bytes()).hexdigest()


def policy_file(root: Path, digest: str) -> Path | None:
    """The policy with that digest: one that the workspace keeps, else one that is shipped."""
    folders = [root / POLICIES_FOLDER, resource(POLICIES_FOLDER)]
    files = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
    return next((path for path in files if sha256(path.read_bytes()).hexdigest() == digest), None)
