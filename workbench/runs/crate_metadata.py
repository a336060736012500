"""Describes a crate's content: who ran what on what, as Process Run Crate 0.5 wants it."""

from typing import Any, Final

from rocrate.model.contextentity import ContextEntity
from rocrate.rocrate import ROCrate

from workbench import __version__
from workbench.lineage.names import PRODUCER
from workbench.runs.context import MANIFEST_FILE
from workbench.runs.crate import Content, version_folder
from workbench.tables.versions import TableVersion, sha256_of

PROFILE: Final = "https://w3id.org/ro/wfrun/process/0.5"
_LICENCE: Final = (
    "No licence is granted by this crate: each table has the terms of its source, see usageInfo."
)
# What is no result of the run: it was there before, or says how the run went.
_NO_RESULT: Final = ("workspace/", "lineage/", "requirements.lock")


def described(content: Content) -> ROCrate:
    """The crate, ready to be written."""
    crate = ROCrate(version="1.1")
    root, manifest = crate.root_dataset, content.manifest
    crate.name = f"Run of {manifest['notebook']}: {manifest['title']}"
    crate.description = manifest["headline"] or f"{manifest['title']}, as of {manifest['as_of']}."
    root["datePublished"] = content.row.ended
    root["license"] = _LICENCE
    root["identifier"] = f"urn:uuid:{content.row.run_id}"
    profile = _entity(crate, PROFILE, "CreativeWork", name="Process Run Crate", version="0.5")
    root["conformsTo"] = profile
    files = {name: _file(crate, content, name) for name in content.parts}
    inputs = [_input(crate, content, version, files) for version in content.inputs.values()]
    notebook = files[f"workspace/notebooks/{content.row.job}.ipynb"]
    action = _action(crate, content)
    action["instrument"] = _code(crate, content, notebook)
    action["object"] = [*inputs, *_parameters(crate, content)]
    action["result"] = [
        *(file for name, file in files.items() if not name.startswith(_NO_RESULT)),
        *_outputs(crate, content),
    ]
    root["mentions"] = [action]
    if content.left_out:
        lines = [f"{what}: {why}" for what, why in sorted(content.left_out.items())]
        root["description"] += f" Not contained: {'; '.join(lines)}."
    return crate


def _entity(crate: ROCrate, place: str, kind: str, **properties: Any) -> ContextEntity:
    known = {name: value for name, value in properties.items() if value is not None}
    return crate.add(ContextEntity(crate, place, properties={"@type": kind, **known}))


def _file(crate: ROCrate, content: Content, name: str) -> Any:
    part = content.parts[name]
    known: dict[str, Any] = {
        "name": part.does or name.rpartition("/")[2],
        "contentSize": str(part.path.stat().st_size),
        "sha256": sha256_of(part.path),
    }
    if name.startswith("workspace/notebooks/"):
        known |= {"@type": ["File", "SoftwareSourceCode"]}
    if name.endswith(".ipynb"):
        known |= {"encodingFormat": "application/x-ipynb+json"}
    elif name.endswith(".ndjson"):
        known |= {"encodingFormat": "application/x-ndjson"}
    return crate.add_file(str(part.path), name, properties=known)


def _code(crate: ROCrate, content: Content, notebook: Any) -> Any:
    """The notebook as what was executed, and the library and packages that it needs."""
    python = str(content.manifest.get("python", ""))
    library = _entity(
        crate, PRODUCER, "SoftwareApplication", name="workbench",
        softwareVersion=__version__, identifier=f"sha256:{content.manifest['code']}",
        description="identifier is the digest of the library's files at the time of the run",
    )  # fmt: skip
    language = _entity(
        crate, f"https://www.python.org/downloads/release/python-{python.replace('.', '')}/",
        "ComputerLanguage", name="Python", version=python,
    )  # fmt: skip
    notebook["programmingLanguage"] = language
    notebook["softwareRequirements"] = [library, *_lock(crate)]
    return notebook


def _lock(crate: ROCrate) -> list[Any]:
    lock = crate.get("requirements.lock")
    return [lock] if lock else []


def _action(crate: ROCrate, content: Content) -> ContextEntity:
    action = _entity(
        crate, f"urn:uuid:{content.row.run_id}", "CreateAction",
        name=f"Run of {content.row.job} as of {content.manifest['as_of']}",
        startTime=content.row.started, endTime=content.row.ended,
        actionStatus="http://schema.org/CompletedActionStatus",
        description=content.manifest["headline"],
    )  # fmt: skip
    action["agent"] = _entity(
        crate, "#operator", "Organization", name="Operator of the workspace",
        description="The ledger knows no person",
    )  # fmt: skip
    return action


def _parameters(crate: ROCrate, content: Content) -> list[ContextEntity]:
    return [
        _entity(
            crate, f"#parameter-{name}", "PropertyValue", name=name,
            value=value if isinstance(value, str | int | float) else str(value),
        )
        for name, value in {**content.manifest["parameters"],
                            "as_of": content.manifest["as_of"]}.items()
    ]  # fmt: skip


def _input(crate: ROCrate, content: Content, version: TableVersion, files: dict[str, Any]) -> Any:
    folder = version_folder(version)
    known = {
        "name": version.table,
        "identifier": f"digest:{version.digest}",
        "version": version.version,
        "description": f"{version.rows:,} rows; digest over all columns and rows",
        "usageInfo": version.source,
    }
    parts = [file for name, file in files.items() if name.startswith(folder)]
    if not parts:
        known["description"] += "; not contained"
        return _entity(crate, f"#input-{version.table}", "Dataset", **known)
    dataset = crate.add_dataset(dest_path=folder, properties=known)
    dataset["hasPart"] = parts
    return dataset


def _outputs(crate: ROCrate, content: Content) -> list[ContextEntity]:
    """Tables that the run published, by digest: a rerun makes them again."""
    return [
        _entity(
            crate, f"#output-{table}", "Dataset", name=table, version=found["version"],
            identifier=f"digest:{found['digest']}",
            description=f"{found['rows']:,} rows; {MANIFEST_FILE} has its content digest",
        )
        for table, found in content.manifest["outputs"].items()
    ]  # fmt: skip
