"""What a check of evidence found: that it holds, that it is false, or that it is not here."""

from dataclasses import dataclass
from typing import Any, Final, Literal

State = Literal["proven", "altered", "not checkable"]
TICK: Final = "✓"
CROSS: Final = "✗"


@dataclass(frozen=True)
class Check:
    """Outcome of one check.

    Attributes:
        state: `altered` only where bytes that are here contradict what was signed or recorded;
            what is missing or cannot be read is `not checkable`.
        why: What was found instead, for people; empty where it holds.
    """

    state: State
    why: str = ""

    def facts(self) -> dict[str, Any]:
        """State and reason, as JSON output holds them."""
        return {"state": self.state, **({"why": self.why} if self.why else {})}


PROVEN: Final = Check("proven")


def missing(why: str) -> Check:
    """Evidence that is not here, or cannot be read."""
    return Check("not checkable", why)


def altered(why: str) -> Check:
    """Evidence that is not what was signed or recorded."""
    return Check("altered", why)


def mark(facts: dict[str, Any]) -> tuple[str, str]:
    """Text and colour of a check's outcome."""
    if facts["state"] == "proven":
        return TICK, "green"
    if facts["state"] == "altered":
        return f"{CROSS} {facts['why']}", "bold red"
    return f"not checkable: {facts['why']}", "yellow"
