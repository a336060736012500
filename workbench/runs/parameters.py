"""Parameters of a notebook: declared once, checked before any kernel starts."""

import ast
import importlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import nbformat
from pydantic import BaseModel, ValidationError

from workbench.contracts.tables import CONTRACTS
from workbench.errors import ParameterError
from workbench.lineage.redaction import REDACTED, Redactor, is_secret_name, redacted

Config = TypeVar("Config", bound=BaseModel)
PARAMETERS_TAG = "parameters"
_OWNER = re.compile(r"\*\*Owner:\*\* ([^.*\n]{1,120})\.")


@dataclass(frozen=True)
class Declaration:
    """What the runner must know of a notebook before a kernel exists.

    Attributes:
        config: Pydantic model of the parameters.
        defaults: Values of the cell tagged `parameters`.
        reads: Tables that it reads.
        writes: Tables that it writes.
        title: Its first heading.
        reads_if_present: Tables that it reads where they exist, and does without where not.
        owner: Who answers for it, where its first cell says `**Owner:** name.`
        made_from: By table, `module:NAME` of what says which columns it is made from.
        cluster: Whether it can have its work done by a cluster.
    """

    path: Path
    config: type[BaseModel]
    defaults: Mapping[str, Any]
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    title: str
    reads_if_present: tuple[str, ...] = ()
    owner: str = ""
    made_from: Mapping[str, str] = field(default_factory=dict)
    cluster: bool = False

    @property
    def name(self) -> str:
        return self.path.stem


def check(config: type[Config], **values: Any) -> Config:
    """Validate parameters, with one sentence for the first that is wrong.

    Raises:
        ParameterError: A parameter is unknown, mistyped or out of range.
    """
    try:
        return config.model_validate(values, strict=True)
    except ValidationError as error:
        raise ParameterError(_sentence(config, error)) from error


def _sentence(config: type[BaseModel], error: ValidationError) -> str:
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"]) or config.__name__
    if first["type"] == "extra_forbidden":
        known = ", ".join(config.model_fields)
        return f"parameter {name!r}: unknown; expected one of {known}."
    if first["type"] == "missing":
        return f"parameter {name!r}: missing; give it a value."
    reason = str(first["msg"]).removeprefix("Value error, ")
    reason = reason[0].lower() + reason[1:]
    shown = REDACTED if is_secret_name(name) else repr(first["input"])
    text = f"parameter {name!r}: {shown} is refused, {reason}; correct it."
    return Redactor({name: first["input"]}).text(text)


def declared(path: Path) -> Declaration:
    """Read a notebook's declaration without running it.

    Raises:
        ParameterError: The notebook, its metadata or its parameters cell is missing or malformed.
    """
    try:
        notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    except FileNotFoundError as error:
        raise ParameterError(f"{path}: no such notebook; name one under notebooks/.") from error
    except Exception as error:  # nbformat raises many kinds for a malformed file
        raise ParameterError(f"{path}: not a notebook ({error}); restore it.") from error
    metadata = notebook.metadata.get("workbench")
    if not isinstance(metadata, dict) or not {"config", "reads", "writes"} <= set(metadata):
        raise ParameterError(
            f"{path}: metadata 'workbench' lacks config, reads or writes; add them to the notebook."
        )
    reads, writes = tuple(metadata["reads"]), tuple(metadata["writes"])
    optional = tuple(metadata.get("reads_if_present", ()))
    unknown = sorted({*reads, *optional, *writes} - set(CONTRACTS))
    if unknown:
        raise ParameterError(f"{path}: declares table {unknown[0]!r}, which is not canonical.")
    both = sorted({*reads, *optional} & set(writes))
    if both:
        raise ParameterError(
            f"{path}: reads and writes table {both[0]!r}; expected a notebook to do one of both."
        )
    made_from = dict(metadata.get("made_from", {}))
    strange = sorted(set(made_from) - set(writes))
    if strange:
        raise ParameterError(
            f"{path}: 'made_from' names table {strange[0]!r}, which the notebook does not write;"
            " name tables of 'writes' only."
        )
    config = _config(path, str(metadata["config"]))
    owner = _OWNER.search(notebook.cells[0].source if notebook.cells else "")
    title = next((c.source for c in notebook.cells if c.cell_type == "markdown"), path.stem)
    return Declaration(
        path, config, _defaults(path, notebook), reads, writes,
        title.splitlines()[0].lstrip("# ").strip() if title else path.stem,
        optional, owner.group(1).strip() if owner else "", made_from,
        bool(metadata.get("cluster", False)),
    )  # fmt: skip


def _config(path: Path, name: str) -> type[BaseModel]:
    module, _, attribute = name.partition(":")
    try:
        config = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ParameterError(
            f"{path}: config {name!r} cannot be imported ({error}); expected module:Class."
        ) from error
    if not (isinstance(config, type) and issubclass(config, BaseModel)):
        raise ParameterError(f"{path}: config {name!r} is not a pydantic model.")
    return config


def changed(path: Path, values: Mapping[str, str]) -> dict[str, str]:
    """Parameters of a run that differ from those of the notebook's cell, as it is now.

    Args:
        path: Notebook; where it is gone or cannot be read, nothing is known to differ.
        values: As text, as the ledger has them.
    """
    try:
        notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
        defaults = redacted(_defaults(path, notebook))
    except (OSError, ValueError, ParameterError):
        return {}
    return {k: v for k, v in values.items() if k in defaults and v != defaults[k]}


def _defaults(path: Path, notebook: Any) -> dict[str, Any]:
    cells = [c for c in notebook.cells if PARAMETERS_TAG in c.metadata.get("tags", [])]
    if len(cells) != 1:
        raise ParameterError(
            f"{path}: {len(cells)} cells are tagged {PARAMETERS_TAG!r}; expected one."
        )
    try:
        return {
            statement.target.id: ast.literal_eval(statement.value)
            for statement in ast.parse(cells[0].source).body
            if isinstance(statement, ast.AnnAssign)
            and isinstance(statement.target, ast.Name)
            and statement.value is not None
        }
    except (SyntaxError, ValueError) as error:
        raise ParameterError(
            f"{path}: its parameters cell holds more than literals ({error}); use plain values."
        ) from error


def resolved(declaration: Declaration, given: Mapping[str, Any]) -> dict[str, Any]:
    """Defaults overridden by what is given, validated.

    Raises:
        ParameterError: Naming notebook and parameter.
    """
    try:
        return check(declaration.config, **{**declaration.defaults, **given}).model_dump()
    except ParameterError as error:
        raise ParameterError(f"{declaration.name}: {error}") from error


def parse_assignment(text: str) -> tuple[str, Any]:
    """`name=value` of the command line; the value is a Python literal, else text.

    Raises:
        ParameterError: There is no `=`.
    """
    name, sign, value = text.partition("=")
    if not sign or not name.isidentifier():
        raise ParameterError(f"-p {text!r}: expected name=value.")
    if value in ("true", "false"):
        return name, value == "true"
    try:
        return name, ast.literal_eval(value)
    except (SyntaxError, ValueError):
        return name, value
