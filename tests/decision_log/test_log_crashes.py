"""Crashes, failing disks and concurrent writers: nothing acknowledged is lost, nothing is torn."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.log_crashes import killed
from workbench.decision_log.service.group import GroupCommit
from workbench.decision_log.storage import MemoryStorage, always
from workbench.decision_log.verify import verify_log, verify_storage
from workbench.errors import LogError

KILLS = 40  # at least; a quiet machine makes several hundred in the time


class FailingStorage(MemoryStorage):
    """Fails one write, before or after it persists."""

    def __init__(self, storage, at, persist):
        super().__init__()
        self.objects, self.records = storage.objects, storage.records
        self._at, self._persist, self._calls = at, persist, 0

    def _fail(self, write):
        self._calls += 1
        if self._calls == self._at and not self._persist:
            raise LogError("disk full")
        write()
        if self._calls == self._at:
            raise LogError("disk full")

    def create(self, objects):
        for path, data in objects.items():
            self._fail(lambda p=path, d=data: MemoryStorage.create(self, {p: d}))

    def replace(self, path, data):
        self._fail(lambda: MemoryStorage.replace(self, path, data))

    def restore(self, objects):
        for path, data in objects.items():
            self._fail(lambda p=path, d=data: MemoryStorage.restore(self, {p: d}))

    def publish(self, path, data):
        self._fail(lambda: MemoryStorage.replace(self, path, data))

    def record(self, data, accept=always):
        self._fail(lambda: MemoryStorage.record(self, data))
        return accept()

    def settle(self, superseded=(), *, last=True):
        for path in superseded:
            self._fail(lambda p=path: MemoryStorage.remove(self, p))
        self._fail(self.records.clear)


@pytest.mark.parametrize("persist", [False, True])
@pytest.mark.parametrize(("before", "added"), [(0, 3), (250, 10), (255, 1), (256, 300)])
def test_every_failing_write_loses_nothing_and_a_retry_completes(logs, persist, before, added):
    batch = logs.records(before, before + added)
    for at in range(1, 100):
        storage, log = logs.filled(before, batch=100)
        log.checkpoint()
        try:
            logs.open(FailingStorage(storage, at, persist)).append(batch)
            break
        except LogError:
            pass
        assert verify_storage(storage, logs.key).entries >= before
        again = logs.open(storage).append(batch)
        assert again.indexes == tuple(range(before, before + added))
        report = verify_storage(storage, logs.key)
        assert (report.entries, report.files.pending) == (before + added, False)
    assert at > 4


@pytest.mark.parametrize("persist", [False, True])
def test_after_a_failed_batch_another_one_may_come_first(logs, persist):
    outcomes = set()
    for at in range(1, 8):
        storage, _ = logs.filled(250, batch=250)
        with pytest.raises(LogError, match="disk full"):
            logs.open(FailingStorage(storage, at, persist)).append(logs.records(250, 260))
        other = logs.open(storage).append(logs.records(500, 520))
        assert other.indexes[0] in (250, 260)
        outcomes.add(other.indexes[0])
        assert verify_storage(storage, logs.key).entries == other.size
    assert 260 in outcomes


class AlteringStorage(MemoryStorage):
    """Keeps other bytes than those it was given for paths with a certain beginning."""

    def __init__(self, storage, beginning):
        super().__init__()
        self.objects, self.records = storage.objects, storage.records
        self._beginning = beginning

    def create(self, objects):
        altered = {
            path: data[:-1] + b"!" if path.startswith(self._beginning) else data
            for path, data in objects.items()
        }
        super().create(altered)


@pytest.mark.parametrize("beginning", ["tile/0/", "tile/1/", "tile/entries/"])
def test_no_checkpoint_is_signed_over_tiles_that_read_back_differently(logs, beginning):
    storage, _ = logs.filled(250, batch=250)
    checkpoint = storage.objects["checkpoint"]
    altering = AlteringStorage(storage, beginning)
    with pytest.raises(LogError, match=f"{beginning}.*is not what was written; no checkpoint"):
        logs.open(altering).append(logs.records(250, 600))
    assert storage.objects["checkpoint"] == checkpoint
    assert verify_storage(storage, logs.key).entries == 250


class RefusingStorage(MemoryStorage):
    """Takes no tile while it refuses."""

    refuses = True

    def create(self, objects):
        if self.refuses:
            raise LogError("disk full")
        super().create(objects)

    def restore(self, objects):
        if self.refuses:
            raise LogError("disk full")
        super().restore(objects)


def test_readers_see_what_was_acknowledged_once_the_storage_takes_it_again(logs):
    storage = RefusingStorage()
    group = GroupCommit(lambda: logs.open(storage))
    group.start()
    try:
        assert group.append([logs.record(1).canonical()]).indexes == (0,)
        time.sleep(0.05)
        assert verify_storage(storage, logs.key).entries == 0
        storage.refuses = False
        deadline = time.monotonic() + 20
        while not verify_storage(storage, logs.key).entries and time.monotonic() < deadline:
            time.sleep(0.05)  # nobody asks for anything
        assert verify_storage(storage, logs.key).entries == 1
    finally:
        group.close()


def test_who_asks_to_be_seen_is_told_that_the_storage_refuses_and_then_is_seen(logs):
    storage = RefusingStorage()
    group = GroupCommit(lambda: logs.open(storage))
    group.start()
    try:
        group.append([logs.record(1).canonical()])
        for _ in range(2):
            with pytest.raises(LogError, match="disk full"):
                group.publish()
        storage.refuses = False
        group.publish()
        assert verify_storage(storage, logs.key).entries == 1
    finally:
        group.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_nobody_waits_for_a_group_whose_thread_is_gone(logs):
    logs_left = [logs.filled(1)[1]]

    def open_log():
        if not logs_left:
            raise SystemExit  # what ends a thread, whatever it expects
        return logs_left.pop()

    group = GroupCommit(open_log)
    group.start()
    with pytest.raises(LogError, match="stopping"):
        group.append([logs.record(2).canonical()])
    group._thread.join(10)
    with pytest.raises(LogError, match="stopping"):
        group.append([logs.record(3).canonical()])


WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from conftest import Logs
from workbench.decision_log.note import parse_signer
logs = Logs(parse_signer(sys.stdin.readline()))
log = logs.open_folder(Path(sys.argv[1]), patience=60)
first, count, size = map(int, sys.argv[3:6])
for number in range(first, first + count, size):
    done = log.append(logs.records(number, number + size))
    print(done.size, done.indexes[-1], flush=True)
"""


def start_writer(logs, folder, first, count, size):
    arguments = [str(folder), str(Path(__file__).parent), str(first), str(count), str(size)]
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, *arguments],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    writer.stdin.write(logs.signer.encode() + "\n")
    writer.stdin.flush()
    return writer


def test_killed_writers_lose_nothing_that_was_acknowledged(tmp_path):
    tally = killed(tmp_path, 1_000, verify_every=10, seconds=20)
    assert (tally.lost, tally.failures) == (0, [])
    assert tally.kills.total() >= KILLS
    assert tally.acknowledged > KILLS
    assert tally.verified > KILLS // 10


def test_two_writers_take_turns(logs, tmp_path):
    writers = [start_writer(logs, tmp_path, first, 60, 3) for first in (0, 1_000)]
    indexes = []
    for writer in writers:
        output, _ = writer.communicate(timeout=60)
        assert writer.returncode == 0
        indexes += [int(line.split()[1]) for line in output.splitlines()]
    assert len(set(indexes)) == 40
    assert verify_log(tmp_path / "log", logs.key).entries == 120


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from conftest import Logs
from workbench.decision_log.note import parse_signer
from workbench.errors import LogError
logs = Logs(parse_signer(sys.stdin.readline()))
log = logs.open_folder(Path(sys.argv[1]))
log.append(logs.records(0, 5))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), hard))
try:
    log.append(logs.records(5, 150))
except LogError as error:
    print(error)
"""


@pytest.mark.parametrize("limit", [10, 100, 4_000, 12_000])
def test_a_file_that_cannot_grow_loses_nothing_and_leaves_no_half_file(logs, tmp_path, limit):
    # The operating system refuses to write past the limit, as on a full disk.
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path), str(Path(__file__).parent), str(limit)],
        input=logs.signer.encode() + "\n", capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "nothing was acknowledged" in done.stdout
    report = verify_log(tmp_path / "log", logs.key)
    assert (report.entries, report.files.unfinished, report.files.foreign) == (5, (), ())
    assert logs.open_folder(tmp_path).append(logs.records(5, 150)).size == 150
    assert verify_log(tmp_path / "log", logs.key).entries == 150
