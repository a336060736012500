"""Secrets among the parameters stay out of everything that a run leaves."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workbench.lineage.redaction import REDACTED, Redactor, redacted


def public_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as they are, apart from secrets, which are redacted."""
    shown = redacted(parameters)
    return {
        name: shown[name] if REDACTED in shown[name] else value
        for name, value in parameters.items()
    }


def redact_notebook(path: Path, parameters: Mapping[str, Any]) -> None:
    """Rewrite an executed notebook without the secrets that its parameters held.

    Papermill writes parameters into a cell, and outputs may repeat them.
    """
    if not any(REDACTED in text for text in redacted(parameters).values()) or not path.is_file():
        return
    content = json.loads(path.read_text(encoding="utf-8"))
    clean = _clean(content, Redactor(parameters))
    path.write_text(json.dumps(clean, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _clean(value: Any, redactor: Redactor) -> Any:
    if isinstance(value, str):
        return redactor.text(value)
    if isinstance(value, list):
        return [_clean(item, redactor) for item in value]
    if isinstance(value, dict):
        return {key: _clean(item, redactor) for key, item in value.items()}
    return value
