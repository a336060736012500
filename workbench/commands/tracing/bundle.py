"""A traced decision packed to be taken away: proofs, evidence and a page, as one zip.

The same trace gives the same bytes: names are sorted, times are fixed. What is in it comes from the
trace's own files; a key, a token or a path of this machine has no place here.
"""

import glob
import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from workbench.commands.tracing.page import chain_nodes, html_page
from workbench.commands.tracing.rows import RowChecks
from workbench.errors import LogError
from workbench.workspace import Workspace

if TYPE_CHECKING:
    from workbench.decision_log.trace import DecisionHistory
    from workbench.tables.versions import TableVersion

_TIME: Final = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can say
_MODE: Final = 0o644 << 16
_CARDS: Final = ("card.md", "manifest.json")
README: Final = """\
This folder holds a decision of the log {origin}
and everything that it rests on, as far as it may leave the place where it was made.

page.html      Read this first. It opens in any browser and asks nobody.
proofs/        One file for each entry: the entry itself, its path in the log's Merkle tree
               (RFC 6962) and the signed checkpoint, as a C2SP tlog-proof.
records/       The same entries as plain JSON, byte for byte as they were signed.
keys/          If the log ever changed its key: the proof of each change.
checkpoint     The signed state of the log: {size} entries, root {root}.
runs/          Manifest of each calculation: parameters, inputs, outputs, digests.
lineage/       What each calculation said when it began and ended (OpenLineage). Not signed.
models/        Cards and manifests of models; their digests are in the records.
policies/      The text of the rules that applied; its SHA-256 is in the records.
rows/          Where the input rows lie: for each block of 4,096 rows its hash and the path to the
               digest of the table, which is in the records. {rows}
trace.json     All of this as data, with what was checked when this was packed.
SHA256SUMS     Digests of all files here.

How to verify, without the place that this came from

1. Ask somebody you trust for the log's verifier key. It begins with {origin}+
   Do not take a key from this folder's giver alone: the key is what all trust hangs on.
2. Run, with the zip that this folder came in,
       workbench log verify FILE.zip --key KEY
   It needs the zip, the key and no network. It prints the chain as the proven records tell it, and
   names what nothing signed vouches for: page.html, runs/, lineage/ and model cards are the word
   of whoever packed this. An earlier key of the log will do, too.
3. Without this program: any other for C2SP tlog-proof verifies each file in proofs/, with the key
   in force. By hand: base64-decode the line "extra", hash a zero byte and that (SHA-256), then go
   up the path as RFC 6962, section 2.1.1 says; the result must be the root in the checkpoint, whose
   signature (Ed25519) must be by the key. Then compare records/ with the lines "extra".
4. sha256sum -c SHA256SUMS          shows that nothing was changed since it was packed. This alone
   proves nothing about who packed it.
5. A digest in a record is the SHA-256 of the file that it names: compare with sha256sum.

What this cannot show: that the log has no later entry about this decision. Ask for the newest
checkpoint and a trace from it.
"""


def bundle(
    history: "DecisionHistory", workspace: Workspace, facts: dict[str, Any], *, rows: bool
) -> bytes:
    """The zip of everything that was traced.

    Args:
        history: Whose entries are proven.
        workspace: Where reports, lineage, models and tables are.
        facts: What the trace collected.
        rows: Put in the input rows themselves, in whole blocks of 4,096.

    Raises:
        LogError: There is no decision, or more than a page holds.
    """
    files = {"page.html": html_page(history, facts).encode("utf-8")}
    files |= dict(_entries(history, facts))
    entries = [one for decision in facts["decisions"] for one in (decision, *decision["answers"])]
    files |= dict(_runs(workspace, entries))
    files |= dict(_models(workspace, entries))
    files |= dict(_policies(workspace, entries))
    files |= dict(_rows(workspace, entries, with_values=rows))
    said = "The rows are beside it." if rows else "The rows themselves are not in here."
    files["README.txt"] = README.format(**facts["checkpoint"], rows=said).encode()
    files["trace.json"] = _json(_without_places(facts))
    sums = [f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in sorted(files)]
    files["SHA256SUMS"] = "".join(sums).encode()
    return _zip(files)


def _entries(history: "DecisionHistory", facts: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    for decision in facts["decisions"]:
        for node in chain_nodes(decision["chain"]):
            name = f"entry-{node['entry']:09d}-{_safe(node['kind'])}"
            proof = history.bundle(node["id"])
            yield f"proofs/{name}.proof", proof.encode()
            yield f"records/{name}.json", history.entry_bytes(node["entry"])
    for entry, proof in history.rotations():
        yield f"keys/rotation-{entry.index:09d}.proof", proof.encode()
    yield "checkpoint", history.note


def _runs(workspace: Workspace, entries: list[dict[str, Any]]) -> Iterator[tuple[str, bytes]]:
    run_ids = {str(run["run_id"]) for entry in entries for run in entry["runs"]}
    for run_id in sorted(run_ids):
        found = sorted(workspace.reports.glob(f"*/*/{glob.escape(run_id)}/run.json"))
        if found and Path(run_id).name == run_id:
            yield f"runs/{_safe(run_id)}/run.json", _read(found[0])
    events: dict[str, list[bytes]] = {}
    if workspace.lineage.is_dir():
        events = _events(workspace, run_ids)
    for run_id, lines in events.items():
        yield f"lineage/{_safe(run_id)}.ndjson", b"".join(line + b"\n" for line in lines)


def _events(workspace: Workspace, run_ids: set[str]) -> dict[str, list[bytes]]:
    from workbench.lineage.journal import Journal

    found: dict[str, list[bytes]] = {}
    for line in Journal(workspace.lineage).lines():
        if not any(run_id.encode() in line.data for run_id in run_ids):
            continue
        try:
            run_id = str(json.loads(line.data)["run"]["runId"])
        except (ValueError, KeyError, TypeError, RecursionError):
            continue
        if run_id in run_ids:
            found.setdefault(run_id, []).append(line.data.strip())
    return found


def _models(workspace: Workspace, entries: list[dict[str, Any]]) -> Iterator[tuple[str, bytes]]:
    for model in (model for entry in entries for model in entry["models"]):
        name, version = str(model["name"]), str(model["version"])
        kept = {key: model[key] for key in ("name", "version", "digest", "state")}
        yield f"models/{_safe(name)}-{_safe(version)}/model.json", _json(kept)
        if Path(name).name != name or Path(version).name != version:
            continue
        for part in _CARDS:
            path = workspace.edge_models / name / version / part
            if path.is_file():
                yield f"models/{_safe(name)}-{_safe(version)}/{part}", _read(path)


def _policies(workspace: Workspace, entries: list[dict[str, Any]]) -> Iterator[tuple[str, bytes]]:
    from workbench.runs.policies import policy_file

    for policy in (entry["policy"] for entry in entries if entry["policy"]):
        path = policy_file(workspace.root, policy["digest"])
        if path is not None:
            yield f"policies/{_safe(policy['digest'])}.txt", _read(path)


def _rows(
    workspace: Workspace, entries: list[dict[str, Any]], *, with_values: bool
) -> Iterator[tuple[str, bytes]]:
    checks = RowChecks(workspace.tables)
    for rows in (rows for entry in entries for rows in entry["evidence"]):
        version = checks.version(str(rows["table"]), str(rows["digest"]))
        if version is not None and rows["state"] == "proven":
            name = f"rows/{_safe(rows['table'])}-{rows['first_row']}-{rows['last_row']}"
            yield from _blocks(version, rows, name, with_values=with_values)


def _blocks(
    version: "TableVersion", rows: dict[str, Any], name: str, *, with_values: bool
) -> Iterator[tuple[str, bytes]]:
    from workbench.merkle import leaf_hash
    from workbench.tables.blocks import BLOCK_ROWS
    from workbench.tables.evidence import row_proof

    first, last = int(rows["first_row"]), int(rows["last_row"])
    blocks = []
    for index in range(first // BLOCK_ROWS, last // BLOCK_ROWS + 1):
        proof = row_proof(version, max(first, index * BLOCK_ROWS))
        path = [node.hex() for node in proof.proof]
        blocks.append(
            {"block": index, "leaf": leaf_hash(proof.block).hex(), "of": proof.size, "path": path}
        )
        if with_values:
            yield f"{name}-block-{index}.bin", proof.block
    named = {key: rows[key] for key in ("table", "digest", "first_row", "last_row")}
    columns = [[column.name, str(column.type)] for column in proof.columns]
    yield f"{name}.json", _json({**named, "columns": columns, "blocks": blocks})


def _without_places(value: Any) -> Any:
    """Facts without paths of this machine."""
    if isinstance(value, dict):
        return {
            key: Path(item).name if key == "path" and isinstance(item, str) and item[:1] == "/"
            else _without_places(item)
            for key, item in value.items()
        }  # fmt: skip
    return [_without_places(item) for item in value] if isinstance(value, list) else value


def _zip(files: dict[str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name in sorted(files):
            info = zipfile.ZipInfo(name, _TIME)
            info.external_attr, info.create_system = _MODE, 3
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, files[name])
    return target.getvalue()


def _safe(name: Any) -> str:
    """A name that is one part of a path wherever the zip is unpacked."""
    text = "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "_" for c in str(name))
    return text.lstrip(".")[:80] or "_"


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise LogError(f"{path}: cannot be read ({error.strerror}); restore it.") from error
