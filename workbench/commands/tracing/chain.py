"""The steps of a decision's chain in words: what changed, by which order, for how much money."""

from typing import Any

from workbench.commands.tracing.amounts import amount, measured


def step(node: dict[str, Any]) -> str:
    """What an entry of the chain did, with quantities and money."""
    words = _WORDS.get(str(node["kind"]), _plain)(node)
    until = f", until before {node['expires']}" if node.get("expires") else ""
    reason = f": {node['reason_code']}" if node.get("reason_code") else ""
    return f"{words}{until}{reason}"


def stands(settled: dict[str, Any]) -> str:
    """What became of a decision, in one line."""
    if settled["kind"] == "rejection":
        holds = "nothing is to be ordered"
    elif settled["quantity"] is None:
        holds = "decided"
    else:
        holds = f"stands at {_much(settled['quantity'], settled)}"
    return f"{holds}: {settled['sentence']}"


def money(value: float, node: dict[str, Any]) -> str:
    """Money to the cent, with its currency and a sign that can be read aloud."""
    sign = "−" if value < 0 else ""
    return f"{sign}{abs(value):,.2f} {node.get('currency') or ''}".rstrip()


def _proposal(node: dict[str, Any]) -> str:
    stake = node.get("money_at_stake")
    at_stake = f", {money(stake, node)} at stake" if stake is not None else ""
    return f"proposal{_of(node)}{at_stake}"


def _override(node: dict[str, Any]) -> str:
    source = f" from {amount(node['before'])}" if node.get("before") is not None else ""
    target = f" to {_much(node['after'], node)}" if node.get("after") is not None else ""
    return f"override{source}{target}"


def _execution(node: dict[str, Any]) -> str:
    line = f" line {node['order_line']}" if node.get("order_line") is not None else ""
    order = f" as order {node['order_id']}{line}" if node.get("order_id") else ""
    return f"execution{_of(node)}{order}"


def _outcome(node: dict[str, Any]) -> str:
    received = node.get("quantity")
    got = f", received {_much(received, node)}" if received is not None else ""
    day = f" by {node['as_of']}" if node.get("as_of") else ""
    value = node.get("money")
    word = "" if value is None else ", lost " if value < 0 else ", made "
    result = "" if value is None else f"{word}{money(abs(value), node)}"
    return f"outcome{got}{day}{result}"


def _plain(node: dict[str, Any]) -> str:
    return f"{node['kind']}{_of(node)}"


def _of(node: dict[str, Any]) -> str:
    quantity = node.get("after", node.get("quantity"))
    return f" of {_much(quantity, node)}" if quantity is not None else ""


def _much(quantity: float, node: dict[str, Any]) -> str:
    return measured(quantity, node)


_WORDS = {
    "proposal": _proposal,
    "override": _override,
    "execution": _execution,
    "outcome": _outcome,
}
