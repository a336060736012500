"""A first description of sources, guessed from files, for a person to check and edit."""

import json
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

from workbench.adapters.profiles import Profile, profiles
from workbench.adapters.roles import Guess, Roles, ranked
from workbench.contracts import columns as c
from workbench.contracts import tables

_LEAST = 0.55
_HEADING = """\
# A first description, guessed from the files: check every line, then run
#     workbench ingest {name}
# A comment says what a guess rests on; docs/sources.md explains every setting.
"""


def suggested(paths: Sequence[Path], folder: Path, name: str, currency: str) -> str:
    """TOML that describes files.

    Args:
        paths: The files.
        folder: Where the description will lie.
        name: Of the description, for its heading.
        currency: Of the workspace, assumed where a file names none.

    Raises:
        SourceError: A file is missing, empty or damaged.
    """
    found = [profile for path in paths for profile in profiles(path)]
    parts, taken = [_HEADING.format(name=name)], set[str]()
    for group in _alike(found):
        choices = [r for r in ranked(group[0], currency) if r.score >= _LEAST]
        roles = next((r for r in choices if r.table not in taken), None)
        if roles is None:
            parts.append(_unknown(group[0], choices))
            continue
        taken.add(roles.table)
        parts.append(_source(group, roles, folder))
    return "\n".join(parts)


def _alike(found: Sequence[Profile]) -> list[list[Profile]]:
    """Files of one folder, kind and heading together: deliveries of one source."""
    groups: dict[tuple[Any, ...], list[Profile]] = {}
    for profile in found:
        names = tuple(column.name for column in profile.columns)
        part = profile.part if profile.kind != "csv" else ""
        key = (profile.path.parent, profile.path.suffix, profile.kind, part, names)
        groups.setdefault(key, []).append(profile)
    return list(groups.values())


def _source(group: Sequence[Profile], roles: Roles, folder: Path) -> str:
    profile = group[0]
    label = " ".join(filter(None, (profile.path.stem, profile.part)))
    lines = [
        "[[source]]",
        f"name = {_toml(label)}",
        f"kind = {_toml(profile.kind)}",
        f"path = {_toml(_pattern(group, folder))}",
        *(f"{key} = {_toml(v)}{_comment(why)}" for key, (v, why) in profile.settings.items()),
        f"table = {_toml(roles.table)}{_comment(_why_table(roles))}",
    ]
    if roles.key_repeats and roles.table == "sales":
        key = ", ".join(tables.contract(roles.table).key)
        lines.append(f'repeats = "add_up"{_comment(f"rows share a key ({key})")}')
    if c.PACK_TEXT in roles.mapped:
        lines.append(f"size_text = {_toml(roles.mapped[c.PACK_TEXT].column.name)}")
    lines.append("[source.columns]")
    for name, guess in roles.mapped.items():
        if name != c.PACK_TEXT:
            lines.append(f"{name} = {_mapping(name, guess)}{_comment(guess.evidence)}")
    lines += [
        f"{name} = {{ sql = {_toml(sql)} }}{_comment(why)}"
        for name, (sql, why) in roles.computed.items()
    ]
    lines += [
        f'# {name} = ""{_comment("NEEDED: no column looks like it; name one, or a constant")}'
        for name in roles.missing
    ]
    if roles.constants:
        lines.append("[source.constants]")
        lines += [
            f"{name} = {_toml(value)}{_comment('assumed: no column looks like it')}"
            for name, value in roles.constants.items()
        ]
    unused = [
        column.name for column in profile.columns
        if column.name not in {guess.column.name for guess in roles.mapped.values()}
    ]  # fmt: skip
    if unused:
        lines.append(f"# not used: {_plain(', '.join(unused))}")
    return "\n".join(lines) + "\n"


def _mapping(name: str, guess: Guess) -> str:
    """The short form where nothing but the name is stated."""
    column = guess.column
    kind = next(
        found.type for table in tables.CONTRACTS.values() for found in table.columns
        if found.name == name
    )  # fmt: skip
    stated = {"column": column.name}
    if column.format:
        stated["format"] = column.format
    if column.decimal and kind in ("number", "integer"):
        stated["decimal"] = column.decimal
    body = [f"{key} = {_toml(value)}" for key, value in stated.items()]
    body += ["secret = true"] if name == c.CUSTOMER_HASH else []
    return _toml(column.name) if len(body) == 1 else f"{{ {', '.join(body)} }}"


def _why_table(roles: Roles) -> str:
    needed = [n.name for n in tables.contract(roles.table).columns if not n.nullable]
    given = [name for name in needed if name in roles.mapped]
    return f"{len(given)} of {len(needed)} columns that it needs found"


def _unknown(profile: Profile, choices: Sequence[Roles]) -> str:
    also = f"; looks like {choices[0].table}, which another file fills" if choices else ""
    names = ", ".join(column.name for column in profile.columns)
    return f"# {_plain(f'{profile.path.name} {profile.part}')}: no table guessed{also}.\n" + (
        f"#     columns: {_plain(names)}\n"
    )


def _pattern(group: Sequence[Profile], folder: Path) -> str:
    """The path, or a pattern for several, as it is written from the description's folder."""
    names = sorted(profile.path.name for profile in group)
    name = names[0]
    if len(names) > 1:
        start = "".join(takewhile(bool, map(_same, zip(*names, strict=False))))
        name = f"{start}*{group[0].path.suffix}"
    parent = group[0].path.resolve().parent
    if parent.is_relative_to(folder.resolve()):
        return (parent.relative_to(folder.resolve()) / name).as_posix()
    return (parent / name).as_posix()


def _same(letters: tuple[str, ...]) -> str:
    return letters[0] if len(set(letters)) == 1 else ""


def _comment(text: str) -> str:
    return f"   # {_plain(text)}"


def _plain(text: str) -> str:
    """Text for a comment: no line break ends it early."""
    return "".join(char if char.isprintable() else " " for char in text)[:300]


def _toml(value: object) -> str:
    """A value in TOML: its strings escape as JSON's do, and the delete character too."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
