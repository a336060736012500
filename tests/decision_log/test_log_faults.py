"""A fault at system calls of a real writer: nothing acknowledged is lost, the log opens again."""

import random

import pytest

from benchmarks.log_faults import SCENARIOS, Laboratory, UntraceableError, cases

RUNS = {"the journal full and emptied": 6}  # 8 MB each
OTHERS = 28  # of one scenario; `python -m benchmarks.log_faults` runs every one


@pytest.fixture(scope="module")
def laboratory(tmp_path_factory):
    laboratory = Laboratory(tmp_path_factory.mktemp("faults"))
    try:
        laboratory.calls("appends one by one")
    except UntraceableError as reason:
        pytest.skip(f"{reason}: failing writes are tried by FailingStorage and Disk only")
    return laboratory


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_fault_at_a_call_loses_nothing(laboratory, scenario):
    tried = random.Random(scenario).sample(
        [*cases(laboratory, scenario)], RUNS.get(scenario, OTHERS)
    )
    found = []
    for call, fault, number in tried:
        outcome = laboratory.run(scenario, call, fault, number)
        found += [(fault, call, number, line) for line in outcome.surprises]
    assert found == []


def test_the_calls_that_make_an_append_durable_are_among_those_that_fail(laboratory):
    counts = laboratory.calls("appends one by one")
    assert {"pwrite64", "write", "fsync", "fdatasync", "rename", "unlink", "fallocate"} <= set(
        counts
    )
    assert counts["fdatasync"] >= 3  # one per append


@pytest.mark.parametrize(
    ("call", "given", "error"),
    [
        ("openat", "O_DIRECT", "EINVAL"),
        ("io_submit", "4096", "EINVAL"),
        ("io_setup", "1", "ENOSYS"),
        ("io_setup", "1", "EAGAIN"),
    ],
)
def test_a_file_system_or_kernel_without_direct_writes_takes_the_journal_all_the_same(
    laboratory, call, given, error
):
    scenario = "appends to a held log, let go"
    number = laboratory.number_of(scenario, call, given)
    outcome = laboratory.run(scenario, call, error, number)
    before = SCENARIOS[scenario].before
    assert (len(outcome.acknowledged) - before, outcome.surprises) == (1 + 4 + 1, [])
