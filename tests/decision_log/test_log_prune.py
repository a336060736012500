"""Retention: bundles go whole, by leave of an entry; what is left still proves itself."""

import hashlib
import json
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from workbench import cli
from workbench.contracts.private import Private
from workbench.decision_log.append import open_log
from workbench.decision_log.index import LogIndex
from workbench.decision_log.index_file import INDEX_FILE
from workbench.decision_log.index_seal import index_secret
from workbench.decision_log.keys import verifier_key
from workbench.decision_log.note import parse_verifier
from workbench.decision_log.privacy.vault import open_vault
from workbench.decision_log.pruning import Pruner, Retention
from workbench.decision_log.storage import FolderStorage
from workbench.decision_log.verify import verify_log
from workbench.errors import ImmutableError, LogError, PrunedError, VerificationError

BEFORE = date(2026, 6, 1)
RETENTION = Retention(BEFORE, "ada", "operator", datetime(2026, 6, 2, tzinfo=UTC))


def call(*arguments):
    result = CliRunner().invoke(cli.app, list(arguments), catch_exceptions=True)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def bundle(workspace, number):
    return workspace.log / "tile" / "entries" / f"{number:03d}"


def pruner(workspace):
    index = _index(workspace, INDEX_FILE)
    key = parse_verifier(verifier_key(workspace.log_origin()))
    return Pruner(FolderStorage(workspace.log), index, key, open_vault(workspace).folder)


def prune(workspace, step=lambda part: None):
    plan = pruner(workspace).plan(RETENTION)
    pruner(workspace).prune(plan, RETENTION, open_log(workspace), step)
    return plan


def verified(workspace):
    return verify_log(workspace.log, verifier_key(workspace.log_origin()))


def _index(workspace, name):
    """An index of the workspace's log, sealed as its own is."""
    return LogIndex(workspace.data / name, index_secret(workspace.log_origin()))


@pytest.fixture
def old(workspace, logs):
    """600 entries of January 2026: bundles 0 and 1 full, bundle 2 partial; a beginning of 0."""
    (workspace.root / "workbench.toml").write_text('[workspace]\nname="shop"\n[log]\nkeep_days=0\n')
    log = open_log(workspace)
    log.append([logs.record(n, item_id=f"ITEM-{n}") for n in range(200)])
    beginning = workspace.log / "tile" / "entries" / "000.p" / "200"
    data = beginning.read_bytes()
    log.append([logs.record(n, item_id=f"ITEM-{n}") for n in range(200, 600)])
    beginning.write_bytes(data)
    return workspace


def test_pruned_bundles_are_reported_and_the_rest_is_proven(old):
    root = verified(old).checkpoint.root
    assert (
        "2 of 2 full bundles (512 entries) may go"
        in call("log", "prune", "--before", "2026-06-01").output
    )
    assert bundle(old, 0).exists()
    output = call("log", "prune", "--before", "2026-06-01", "--yes", "--actor", "ada").output
    assert "2 of 2 full bundles (512 entries) were removed" in output
    assert [bundle(old, 0).exists(), bundle(old, 1).exists()] == [False, False]
    output = call("log", "verify").output
    assert "Verified: 89 of 601 entries" in output
    assert "entries 0 to 511: pruned, hashes only; pruned on 20" in output
    assert "by ada (entry 600)." in output
    (run,) = json.loads(call("log", "verify", "--json").output)["pruned"]
    assert (run["first"], run["last"], run["entry"]) == (0, 511, 600)
    report = verified(old)
    assert (report.entries, report.checkpoint.root != root) == (601, True)


def test_the_entry_holds_the_digest_of_each_bundle(old):
    digests = [hashlib.sha256(bundle(old, n).read_bytes()).hexdigest() for n in (0, 1)]
    prune(old)
    facts = json.loads(call("log", "verify", "--json").output)
    (entry,) = open_log(old).entries_of([_prune_id(old)]).values()
    stated = json.loads(entry)["detail"]["pruned"]
    assert (stated["first_bundle"], stated["entries"], stated["sha256"]) == (0, 512, digests)
    assert facts["foreign"] == facts["unfinished"] == []


def _prune_id(workspace):
    found = _index(workspace, INDEX_FILE).select("kind = 'fact'", [])
    reader = open_log(workspace)
    assert reader.checkpoint().size == 601
    data = (workspace.log / "tile/entries/002.p/89").read_bytes()
    assert found == [600]
    return json.loads(data[data.rindex(b'{"actor"') :])["id"]


def test_a_kept_checkpoint_from_before_is_still_extended(old, tmp_path):
    kept, proof = tmp_path / "kept", tmp_path / "proof"
    kept.write_text(call("log", "checkpoint").output)
    call("log", "prove", "d7", "--out", str(proof))
    prune(old)
    output = call("log", "verify", "--since", str(kept)).output
    assert "extends the kept checkpoint of size 600" in output
    assert "entry 7 is included" in call("log", "verify", str(proof)).output


def test_a_bundle_removed_without_an_entry_is_found(old):
    bundle(old, 0).unlink()
    with pytest.raises(VerificationError, match=r"000: missing, and no entry .* pruned"):
        verified(old)


def test_another_bundle_than_the_pruned_ones_may_not_be_missing(old, logs):
    prune(old)
    open_log(old).append(logs.records(700, 1000))
    bundle(old, 2).unlink()
    with pytest.raises(
        VerificationError, match=r"000: missing, 2 others up to tile/entries/002 too, and no entry"
    ):
        verified(old)


def test_ids_in_place_of_a_bundle_are_no_leave_to_remove_it(old):
    for n in (0, 1):
        (old.log / "pruned").mkdir(exist_ok=True)
        (old.log / "pruned" / f"{n:03d}").write_bytes(bytes(8192))
    bundle(old, 0).unlink()
    with pytest.raises(VerificationError, match="missing, and no entry"):
        verified(old)
    with pytest.raises(VerificationError, match="missing, and no entry"):
        call("trace", "--decision", "d3")


def test_an_entry_may_not_let_go_what_comes_after_it(old, logs):
    forged = {"first_bundle": 2, "sha256": ["0" * 64], "ids_sha256": ["0" * 64]}
    open_log(old).append([logs.record(601, kind="fact", detail={"pruned": forged})])
    open_log(old).append(logs.records(700, 1000))
    bundle(old, 2).unlink()
    with pytest.raises(VerificationError, match="002: missing"):
        verified(old)


@pytest.mark.parametrize("path", ["tile/0/000", "tile/0/001", "tile/1/000.p/2"])
def test_an_altered_hash_of_a_pruned_bundle_is_found(old, path):
    prune(old)
    data = bytearray((old.log / path).read_bytes())
    data[5] ^= 1
    (old.log / path).write_bytes(data)
    with pytest.raises(VerificationError):
        verified(old)


def test_an_altered_entry_is_not_pruned_away(old):
    data = bundle(old, 0).read_bytes()
    bundle(old, 0).write_bytes(data.replace(b"ITEM-44", b"ITEM-45", 1))
    with pytest.raises(VerificationError, match="not the one that the checkpoint"):
        prune(old)
    assert bundle(old, 0).exists()


def test_another_bundle_put_in_the_place_of_a_pruned_one_is_found(old):
    data = bundle(old, 0).read_bytes()
    prune(old)
    bundle(old, 0).write_bytes(data.replace(b"ITEM-44", b"ITEM-45", 1))
    with pytest.raises(VerificationError, match="entry 44: differs"):
        verified(old)
    with pytest.raises(VerificationError, match="not the bundle that the log let go"):
        prune(old)
    bundle(old, 0).write_bytes(data)
    assert [run.first for run in verified(old).pruned] == [256]  # it may come back as it was
    assert prune(old).unfinished == (0,)


def test_altered_digests_of_ids_are_found_and_missing_ones_told(old):
    prune(old)
    ids = old.log / "pruned" / "001"
    whole = ids.read_bytes()
    ids.write_bytes(whole[::-1])
    with pytest.raises(VerificationError, match="pruned/001: differs"):
        verified(old)
    ids.unlink()
    assert "the digests of their ids are missing" in call("log", "verify").output
    ids.write_bytes(whole)
    assert not verified(old).pruned[0].missing_ids


def test_an_id_of_a_pruned_entry_is_never_used_again(old, logs):
    prune(old)
    for _ in range(2):
        same = open_log(old).append([logs.record(3, item_id="ITEM-3")])
        assert (same.new, same.indexes) == (0, (3,))
        with pytest.raises(ImmutableError, match="was pruned"):
            open_log(old).append([logs.record(3, item_id="other")])
        for path in old.data.glob(f"{INDEX_FILE}*"):
            path.unlink()


def test_a_pruned_decision_says_so_in_trace_and_prove(old, logs):
    prune(old)
    for _ in range(2):
        for command in (("trace", "--decision", "d3"), ("log", "prove", "d3")):
            with pytest.raises(PrunedError, match=r"was pruned on 2026-06-02 by ada \(entry 600"):
                call(*command)
        with pytest.raises(LogError, match="no decision in the log"):
            call("trace", "--item", "ITEM-3")
        assert "ITEM-550" in call("trace", "--item", "ITEM-550").output
        assert "\nindex 550\n" in call("log", "prove", "d550").output
        for path in old.data.glob(f"{INDEX_FILE}*"):
            path.unlink()
    open_log(old).append([logs.record(900, kind="outcome", supersedes="d3")])
    output = call("trace", "--decision", "d900").output
    assert "answers d3, pruned on 2026-06-02 by ada (entry 600): the log keeps its hash" in output


def test_the_index_forgets_what_was_pruned_and_equals_a_rebuilt_one(old):
    call("trace", "--item", "ITEM-3")
    prune(old)
    files = list(old.data.glob(f"{INDEX_FILE}*"))
    assert not any(b"ITEM-300" in path.read_bytes() for path in files)
    assert any(b"ITEM-550" in path.read_bytes() for path in files)
    index, other = _index(old, INDEX_FILE), _index(old, "other.sqlite")
    assert index.is_whole()
    checkpoint = verified(old).checkpoint
    other.catch_up(FolderStorage(old.log), checkpoint)
    assert other.is_whole()
    names = [f"d{n}" for n in range(600)]
    assert index.positions(names) == other.positions(names)
    assert len(other.positions(names)) == 600


def test_no_content_of_a_pruned_bundle_is_left_in_the_log(old):
    prune(old)
    left = [path for path in old.log.rglob("*") if path.is_file()]
    assert not any(b"ITEM-100" in path.read_bytes() for path in left)


def test_a_beginning_that_came_back_is_compared_with_the_hashes_and_removed_again(old):
    beginning = old.log / "tile" / "entries" / "000.p" / "200"
    data = beginning.read_bytes()
    prune(old)
    assert not beginning.exists()
    beginning.write_bytes(data)
    assert "tile/entries/000.p/200" in verified(old).files.leftovers
    beginning.write_bytes(data.replace(b"ITEM-44", b"ITEM-45", 1))
    with pytest.raises(VerificationError, match=r"000\.p/200: differs"):
        verified(old)
    assert prune(old).unfinished == (0,)
    assert not beginning.exists()


def test_private_values_go_with_their_bundle(workspace, logs):
    private = [logs.record(n, detail={"note": Private("Jane", "ill")}) for n in range(300)]
    open_log(workspace).append(private)
    files = list(open_vault(workspace).folder.glob("*/*"))
    prune(workspace)
    assert len(files) == 300
    assert len(list(open_vault(workspace).folder.glob("*/*"))) == 300 - 256
    assert "ill" in call("log", "open", "d256").output


@pytest.mark.parametrize(
    "lasting",
    [
        {"kind": "shred"}, {"kind": "policy_change"}, {"kind": "merge"},
        {"valid_from": date(2026, 1, 1)}, {"valid_to": date(2026, 7, 1)},
        {"valid_from": date(2026, 1, 1), "expires": date(2027, 1, 1)},
        {"recorded_at": datetime(2026, 6, 1, tzinfo=UTC)},
        {"kind": "fact", "detail": {"pruned": {}}},
    ],
)  # fmt: skip
def test_a_bundle_with_one_entry_that_lasts_stays(workspace, logs, lasting):
    records = [logs.record(n) for n in range(256)]
    records[100] = logs.record(100, **lasting)
    open_log(workspace).append([*records, *logs.records(256, 512)])
    assert pruner(workspace).plan(RETENTION).bundles == (1,)


def test_what_a_staying_entry_answers_stays(workspace, logs):
    open_log(workspace).append(
        [
            *logs.records(0, 256),
            *logs.records(256, 512),
            *[logs.record(n, supersedes="d300") for n in range(512, 513)],
            *[logs.record(n, supersedes=f"d{n - 512}") for n in range(513, 514)],
        ]
    )
    assert pruner(workspace).plan(RETENTION).bundles == ()
    open_log(workspace).append(logs.records(600, 900))
    assert pruner(workspace).plan(RETENTION).bundles == (0, 1, 2)


def test_what_ended_in_time_goes(workspace, logs):
    ended = {"valid_from": date(2026, 1, 1), "valid_to": BEFORE}
    open_log(workspace).append([logs.record(n, **ended) for n in range(256)])
    assert prune(workspace).bundles == (0,)
    assert prune(workspace).bundles == ()


def test_entries_are_kept_for_the_days_of_the_settings(old):
    settings = old.root / "workbench.toml"
    settings.write_text('[workspace]\nname="shop"\n[log]\nkeep_days=3650\n')
    with pytest.raises(LogError, match="kept for 3650 days"):
        call("log", "prune", "--before", "2026-06-01")
    settings.write_text('[workspace]\nname="shop"\n[log]\nkeep_days="x"\n')
    with pytest.raises(Exception, match="expected a number of days"):
        call("log", "prune", "--before", "2026-06-01")


def test_bundles_that_a_journal_still_needs_stay(old, logs):
    log = open_log(old, reserve=1 << 20)
    with log.held():
        log.append(logs.records(700, 1400))
        assert pruner(old).plan(RETENTION).bundles == (0, 1)
    assert pruner(old).plan(RETENTION).bundles == (0, 1, 2, 3, 4)


def test_a_foreign_client_accepts_what_an_entry_lets_go_and_nothing_else(old, logs, tmp_path):
    from benchmarks.foreign_client import MissingClientError, build_client

    try:
        client = build_client(tmp_path / "go")
    except MissingClientError as missing:
        pytest.skip(f"foreign client: {missing}")
    prune(old)
    command = [str(client), "-key", verifier_key(old.log_origin())]

    def told(*arguments):
        run = [*command, *arguments, str(old.log)]
        return subprocess.run(run, capture_output=True, text=True, check=False)

    assert "89 entries included, 512 pruned: hashes only" in told("-pruned").stdout
    assert "tile/entries/000: missing" in told().stderr
    open_log(old).append(logs.records(700, 1400))
    bundle(old, 3).unlink()
    assert "tile/entries/003: missing, and no entry" in told("-pruned").stderr


KILLED = """
import os, signal, sys
sys.path.insert(0, sys.argv[2])
import test_log_prune as tests
from workbench.workspace import find_workspace
seen = []
def step(part):
    seen.append(part)
    if f"{part}{seen.count(part)}" == sys.argv[1]:
        os.kill(os.getpid(), signal.SIGKILL)
tests.prune(find_workspace(), step)
"""


@pytest.mark.parametrize(
    "stop", ["ids1", "record1", "ciphertexts1", "remove1", "remove2", "remove3", "index1"]
)
def test_a_killed_pruning_is_completed_by_the_next(old, stop):
    here = str(Path(__file__).parent)
    killed = subprocess.run([sys.executable, "-c", KILLED, stop, here], check=False)
    assert killed.returncode == -9
    assert verified(old).entries in (600, 601)
    prune(old)
    assert [run.last for run in verified(old).pruned] == [511]
    assert verified(old).checkpoint.size == 601
    assert _index(old, INDEX_FILE).is_whole()
