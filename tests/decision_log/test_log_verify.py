"""Verification: every change is found and its place named; what it cannot see is said."""

import os
import random

import pytest

from workbench.decision_log.append import DecisionLog
from workbench.decision_log.note import generate_signer
from workbench.decision_log.storage import FolderStorage, MemoryStorage
from workbench.decision_log.tiles import CHECKPOINT, bundle_path, encode_bundle
from workbench.decision_log.verify import CANNOT_SEE, verify_log, verify_storage
from workbench.decision_log.writer import LogWriter
from workbench.errors import KeyFileError, LogError, VerificationError, WorkbenchError


def _flipped(data, position, bit):
    changed = bytearray(data)
    changed[position] ^= 1 << bit
    return bytes(changed)


def _place(path):
    """The part of a path that the message must hold; a bundle and its tile share a number."""
    return "checkpoint" if path == CHECKPOINT else path.rsplit("/", 2)[-2].removesuffix(".p")


def test_every_flipped_byte_is_found_and_its_file_named(logs):
    storage, _ = logs.filled(5, batch=5)
    tried = 0
    for path, data in list(storage.objects.items()):
        for position in range(len(data)):
            storage.objects[path] = _flipped(data, position, position % 8)
            with pytest.raises(VerificationError) as caught:
                verify_storage(storage, logs.key)
            assert _place(path) in str(caught.value)
            tried += 1
        storage.objects[path] = data
    assert tried > 900
    assert verify_storage(storage, logs.key).entries == 5


def test_flips_in_a_larger_log_are_found(logs):
    storage, _ = logs.filled(1_000)
    rng = random.Random(1)
    paths = sorted(storage.objects)
    for _ in range(80):
        path = rng.choice(paths)
        data = storage.objects[path]
        storage.objects[path] = _flipped(data, rng.randrange(len(data)), rng.randrange(8))
        with pytest.raises(VerificationError, match=r"checkpoint|tile/"):
            verify_storage(storage, logs.key)
        storage.objects[path] = data


def test_removed_files_are_found_and_named(logs):
    storage, _ = logs.filled(600, batch=600)
    for path, data in list(storage.objects.items()):
        del storage.objects[path]
        with pytest.raises(VerificationError, match=r"missing|checkpoint"):
            verify_storage(storage, logs.key)
        storage.objects[path] = data


def test_removed_swapped_and_added_entries_are_found(logs):
    storage, _ = logs.filled(3, batch=3)
    a, b, c = (record.canonical() for record in logs.records(0, 3))
    path = bundle_path(0, 3)
    for altered in ([a, b], [b, a, c], [a, b, c, c], [a, a, c]):
        storage.objects[path] = encode_bundle(altered)
        with pytest.raises(VerificationError, match="tile/entries/000"):
            verify_storage(storage, logs.key)


def _with_entries(logs, entries):
    storage = MemoryStorage()
    writer = LogWriter(storage, logs.signer)
    with writer.held():
        writer.extend(entries)
    return storage


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (b"one", "canonical JSON"),
        (b'{"id": "d"}', "not in canonical form"),
        (b"[]", "expected an id"),
        (b'{"kind":"fact"}', "expected an id"),
        (b"", "canonical JSON"),
    ],
)
def test_signed_entries_that_are_no_records_are_refused(logs, entry, message):
    good = logs.record(1).canonical()
    with pytest.raises(VerificationError, match=rf"tile/entries/000.p/2, entry 1: .*{message}"):
        verify_storage(_with_entries(logs, [good, entry]), logs.key)


def test_an_id_that_occurs_twice_is_found(logs):
    entries = [record.canonical() for record in logs.records(0, 300)]
    entries.append(logs.record(7, quantity=9.0).canonical())
    with pytest.raises(VerificationError, match="entry 300: id 'd7' occurs twice"):
        verify_storage(_with_entries(logs, entries), logs.key)


def test_another_key_is_not_trusted(logs):
    storage, _ = logs.filled(3)
    other = generate_signer(logs.signer.verifier.name).verifier.encode()
    with pytest.raises(VerificationError, match=r"checkpoint: .*not signed by any trusted key"):
        verify_storage(storage, other)
    with pytest.raises(KeyFileError, match="verifier key"):
        verify_storage(storage, "nonsense")


def test_a_checkpoint_of_another_log_is_refused(logs):
    storage, _ = logs.filled(3)
    other = type(logs)(generate_signer("example.com/other"))
    foreign, _ = other.filled(3)
    storage.objects[CHECKPOINT] = foreign.objects[CHECKPOINT]
    with pytest.raises(VerificationError, match=r"expected example\.com/log"):
        verify_storage(storage, logs.key)


def test_without_a_kept_checkpoint_a_roll_back_is_named_as_unseen(logs):
    older, _ = logs.filled(3, batch=1)
    assert CANNOT_SEE in verify_storage(older, logs.key).summary()


def test_a_kept_checkpoint_exposes_a_rolled_back_log(logs):
    storage, _ = logs.filled(4, batch=1)
    older, _ = logs.filled(3, batch=1)
    assert verify_storage(older, logs.key).consistent_with is None
    with pytest.raises(VerificationError, match="smaller than 4"):
        verify_storage(older, logs.key, since=storage.objects[CHECKPOINT])


def test_a_checkpoint_put_back_alone_is_exposed_by_the_tiles_beyond_it(logs):
    storage, log = logs.filled(4, batch=1)
    older = storage.objects[CHECKPOINT]
    log.append(logs.records(4, 6))
    storage.objects[CHECKPOINT] = older
    with pytest.raises(VerificationError, match="beyond the checkpoint's 4 entries"):
        verify_storage(storage, logs.key)


@pytest.mark.parametrize("kept_size", [1, 2, 255, 256, 257])
def test_a_kept_checkpoint_exposes_a_rewritten_history(logs, kept_size):
    storage, log = logs.filled(kept_size, batch=300)
    kept = storage.objects[CHECKPOINT]
    forged = MemoryStorage()
    logs.open(forged).append([logs.record(999), *logs.records(1, 300)])
    with pytest.raises(VerificationError, match=f"first {kept_size} entries"):
        verify_storage(forged, logs.key, since=kept)
    log.append(logs.records(kept_size, 300))
    report = verify_storage(storage, logs.key, since=kept)
    assert report.consistent_with == kept_size
    assert CANNOT_SEE not in report.summary()


def test_a_kept_checkpoint_of_another_key_is_named(logs):
    storage, _ = logs.filled(2)
    with pytest.raises(VerificationError, match="checkpoint kept earlier: note"):
        verify_storage(storage, logs.key, since=b"something else")


def test_foreign_files_and_leftovers_are_reported_not_refused(logs, tmp_path):
    log = logs.open_folder(tmp_path)
    for number in range(3):
        log.append([logs.record(number)])
    (tmp_path / "log" / "notes.txt").write_text("mine")
    (tmp_path / "log" / "tile" / ".4.new").write_bytes(b"half")
    report = verify_log(tmp_path / "log", logs.key)
    assert report.files.foreign == ("notes.txt",)
    assert report.files.unfinished == ("tile/.4.new",)
    assert set(report.files.leftovers) == {
        "tile/0/000.p/1", "tile/0/000.p/2", "tile/entries/000.p/1", "tile/entries/000.p/2",
    }  # fmt: skip
    assert "Foreign file: notes.txt" in report.summary()


@pytest.mark.parametrize("path", ["tile/0/000.p/2", "tile/entries/000.p/2"])
def test_an_altered_leftover_is_found(logs, tmp_path, path):
    log = logs.open_folder(tmp_path)
    for number in range(3):
        log.append([logs.record(number)])
    file = tmp_path / "log" / path
    file.write_bytes(_flipped(file.read_bytes(), 9, 1))
    with pytest.raises(VerificationError, match=r"000\.p/2: not the beginning of tile"):
        verify_log(tmp_path / "log", logs.key)


def test_a_log_that_grows_meanwhile_verifies(logs, tmp_path):
    log = logs.open_folder(tmp_path)
    log.append(logs.records(0, 250))
    sizes = iter([258, 600])

    class Growing(FolderStorage):
        def read(self, path):
            data = super().read(path)
            if path == CHECKPOINT and (size := next(sizes, None)):
                log.append(logs.records(0, size))  # drops the partial tiles of 250
            return data

    report = verify_storage(Growing(tmp_path / "log"), logs.key)
    assert report.entries == 250


def test_times_that_step_back_are_counted_not_refused(logs):
    noon = logs.record(0).recorded_at
    times = [noon, noon.replace(hour=1), noon.replace(hour=2), noon.replace(hour=1)]
    storage = MemoryStorage()
    records = [logs.record(n, recorded_at=time) for n, time in enumerate(times)]
    logs.open(storage).append(records)
    report = verify_storage(storage, logs.key)
    assert report.clock_steps == 2
    assert "2 entries carry a time before" in report.summary()


def test_an_empty_log_verifies(logs):
    storage, log = logs.filled(0)
    assert log.checkpoint().size == 0
    assert verify_storage(storage, logs.key).entries == 0


def test_a_folder_without_a_log_is_named(logs, tmp_path):
    with pytest.raises(VerificationError, match="checkpoint: not found"):
        verify_log(tmp_path, logs.key)


def test_progress_reaches_the_end(logs):
    storage, _ = logs.filled(600)
    seen = []
    verify_storage(storage, logs.key, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(256, 600), (512, 600), (600, 600)]


def test_the_verifier_never_asks_the_writer():
    # What is verified must not rest on what wrote it.
    import ast
    import inspect

    from workbench.decision_log import verify

    tree = ast.parse(inspect.getsource(verify))
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert modules.isdisjoint({f"workbench.decision_log.{m}" for m in ("append", "writer", "tree")})
    assert DecisionLog.__module__ not in modules


@pytest.mark.parametrize("kind", ["pipe", "link", "folder"])
@pytest.mark.parametrize("path", ["checkpoint", "tile/0/000.p/3", "tile/entries/000.p/3"])
def test_what_is_no_regular_file_is_refused_at_once(logs, tmp_path, kind, path):
    logs.open_folder(tmp_path).append(logs.records(0, 3))
    target = tmp_path / "log" / path
    target.unlink()
    {
        "pipe": lambda: os.mkfifo(target),
        "link": lambda: target.symlink_to("/dev/zero"),
        "folder": target.mkdir,
    }[kind]()
    with pytest.raises(WorkbenchError, match=path):
        verify_log(tmp_path / "log", logs.key)


@pytest.mark.parametrize("path", ["checkpoint", "tile/0/000.p/3", "tile/entries/000.p/3"])
def test_a_file_of_impossible_size_is_not_read(logs, tmp_path, path):
    logs.open_folder(tmp_path).append(logs.records(0, 3))
    os.truncate(tmp_path / "log" / path, 3 << 30)
    with pytest.raises(LogError, match=f"{path}.* too large for a log"):
        verify_log(tmp_path / "log", logs.key)
