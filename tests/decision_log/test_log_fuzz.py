"""Fuzzing, briefly: `python -m benchmarks.log_fuzz` does it for minutes."""

import random
import signal

import pytest

from benchmarks.log_fuzz import TARGETS, Result, Target, attempt, fuzz_all, same, too_long

SECONDS = 5


def test_no_parser_does_what_it_must_not():
    results = fuzz_all(SECONDS, seed=random.randrange(10**6))
    assert [(r.name, r.findings) for r in results if r.findings] == []
    assert len(results) == len(TARGETS) == 11
    for result in results:
        assert result.runs > 50
        assert result.lines > 0.7 * result.all_lines, result.missing
        assert result.pairs > 3


@pytest.fixture
def alarm():
    before = signal.signal(signal.SIGALRM, too_long)
    yield
    signal.signal(signal.SIGALRM, before)


@pytest.mark.usefixtures("alarm")
def test_the_fuzzer_notices_crashes_loops_and_other_spellings():
    class Nothing:
        def call(self, *_):
            return None

    def crash(data):
        raise KeyError(data)

    def loop(data):
        while True:
            pass

    def misread(data):
        same(data, data + b"!")

    for read, message in ((crash, "KeyError"), (loop, "took more than"), (misread, "reads back")):
        result = Result("target")
        attempt(Target("target", read, [], []), b"x", Nothing(), result)
        assert message in next(iter(result.findings))
