"""Events, journal and validation."""

import json
import multiprocessing
import random
import signal
import subprocess
import sys
import time
from datetime import UTC, date, datetime

import pandas as pd
import pytest

from workbench.contracts.records import ModelReference
from workbench.errors import LineageError
from workbench.lineage.events import RunLineage, open_runs
from workbench.lineage.journal import Journal
from workbench.lineage.redaction import redacted, redacted_text
from workbench.lineage.validate import validate_events, validate_journal
from workbench.tables.store import TableStore

RUN = "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"
OTHER = "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5c"


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path / "lineage")


@pytest.fixture
def version(tmp_path):
    frame = pd.DataFrame({"supplier_id": ["a", "b"], "country": ["NL", None]})
    store = TableStore(tmp_path / "tables")
    return store.write("suppliers", frame, provenance="source", source="a test")


def lineage(journal, run_id=RUN, **options):
    return RunLineage(journal, workspace_id="shop-1", job="10-x", run_id=run_id, **options)


def complete_life(journal, version, **options):
    run = lineage(journal, description="Forecasts.", parent=(OTHER, "all"), **options)
    run.start(inputs=[version], parameters={"horizon": 8}, as_of=date(2017, 12, 31))
    run.complete(
        outputs=[version],
        models=[ModelReference("m", "1", "ab" * 32)],
        log={"origin": "o", "first_index": 0, "new": 2, "size": 2, "root": "cd" * 32},
    )


def test_a_whole_life_is_valid_against_the_official_schemas(journal, version, shared):
    complete_life(journal, version)
    failing = lineage(journal, OTHER)
    failing.start()
    failing.fail("cell 3 raised", trace="Traceback")
    count, problems = validate_journal(journal.folder, shared("vectors/openlineage/spec"))
    assert (count, problems) == (4, [])


def test_the_official_check_would_see_a_wrong_facet(journal, version, shared):
    complete_life(journal, version)
    events = list(journal.events())
    events[0]["run"]["facets"]["nominalTime"]["nominalStartTime"] = "yesterday"
    events[1]["outputs"][0]["outputFacets"]["outputStatistics"]["rowCount"] = "two"
    problems = validate_events(events, shared("vectors/openlineage/spec"))
    assert {p.event for p in problems} == {1, 2}
    assert any("rowCount" in p.field for p in problems)


def test_a_version_carries_its_digest_and_rows(journal, version):
    complete_life(journal, version)
    output = list(journal.events())[1]["outputs"][0]
    assert output["facets"]["version"]["datasetVersion"] == version.digest
    assert output["outputFacets"]["outputStatistics"]["rowCount"] == 2
    assert output["namespace"] == "workbench://shop-1"


def test_a_second_end_is_refused(journal):
    run = lineage(journal)
    run.start()
    run.abort("given up")
    with pytest.raises(LineageError, match="one terminal event"):
        run.complete()


def test_runs_without_an_end_are_found(journal):
    lineage(journal).start()
    ended = lineage(journal, OTHER)
    ended.start()
    ended.complete()
    assert open_runs(journal) == {RUN: "10-x"}


def test_breaks_of_a_life_are_named(journal):
    lineage(journal).start()
    start = next(journal.events())
    end = {**start, "eventType": "COMPLETE"}
    for events, message in [
        ([end], "COMPLETE before START"),
        ([start, start], "second START"),
        ([start, end, end], "after the end"),
        ([start, {**end, "eventTime": "2001-01-01T00:00:00+00:00"}], "earlier than"),
        ([{**start, "eventTime": "2026-01-01T00:00:00"}], "no time zone"),
        ([{**start, "run": {"runId": "7"}}], "not a UUID"),
        ([{**start, "job": {**start["job"], "namespace": "food"}}], "expected workbench://ID"),
    ]:
        problems = validate_events(events)
        assert any(message in p.message for p in problems), message


def test_own_facets_are_held_to_their_schema(journal, version):
    complete_life(journal, version)
    events = list(journal.events())
    events[1]["run"]["facets"]["workbench_decisionLog"]["rootHash"] = "short"
    assert "workbench_decisionLog" in validate_events(events)[0].field


def test_secrets_never_reach_an_event(journal):
    run = lineage(journal)
    planted = {
        "db_password": "hunter2-plain",
        "url": "postgres://me:hunter2-url@host/db",
        "key": "PRIVATE+KEY+log+00+hunter2key",
    }
    run.start(parameters=planted)
    run.fail("could not open postgres://me:hunter2-url@host/db", trace="token eyJabc.def.ghi")
    text = "".join(p.read_text() for p in journal.folder.iterdir())
    assert "hunter2" not in text
    assert "eyJabc" not in text
    assert "[redacted]" in text


def test_redaction_keeps_harmless_values():
    assert redacted({"horizon": 8, "folder": "/data/in"}) == {"horizon": "8", "folder": "/data/in"}
    assert redacted_text("https://host/path?x=1") == "https://host/path?x=1"


def _write_many(folder, writer, count):
    journal = Journal(folder)
    for number in range(count):
        journal.append({"writer": writer, "number": number, "fill": "x" * 300})


def test_parallel_writers_lose_and_tear_nothing(tmp_path):
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_write_many, args=(tmp_path, w, 100)) for w in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    seen = {(e["writer"], e["number"]) for e in Journal(tmp_path).events()}
    assert len(seen) == 800


def test_killed_writers_leave_whole_lines(tmp_path):
    code = (
        "import sys; from pathlib import Path; from workbench.lineage.journal import Journal\n"
        "j = Journal(Path(sys.argv[1])); n = 0\n"
        "while True:\n    j.append({'n': n, 'fill': 'x' * 5000}); print(n, flush=True); n += 1\n"
    )
    rng = random.Random(0)
    for round_number in range(8):
        folder = tmp_path / str(round_number)
        writer = subprocess.Popen(
            [sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, text=True
        )
        writer.stdout.readline()
        time.sleep(rng.uniform(0, 0.1))
        writer.send_signal(signal.SIGKILL)
        acknowledged = [0, *map(int, writer.stdout.read().split())]
        Journal(folder).append({"n": "after"})
        numbers = [event["n"] for event in Journal(folder).events()]
        assert numbers[: len(acknowledged)] == acknowledged
        assert numbers[-1] == "after"


def test_a_torn_last_line_is_moved_aside_and_kept(tmp_path):
    journal = Journal(tmp_path, clock=lambda: datetime(2026, 1, 1, tzinfo=UTC))
    journal.append({"n": 1})
    path = tmp_path / "events-2026-01-01.ndjson"
    with path.open("ab") as file:
        file.write(b'{"n": 2, "to')
    assert [e["n"] for e in journal.events()] == [1]
    journal.append({"n": 3})
    assert [json.loads(line)["n"] for line in path.read_text().splitlines()] == [1, 3]
    assert (tmp_path / "torn-lines.txt").read_text() == '{"n": 2, "to\n'


def test_an_unwritable_journal_says_so(tmp_path):
    (tmp_path / "lineage").write_text("a file is in the way")
    with pytest.raises(LineageError, match="cannot be written"):
        Journal(tmp_path / "lineage").append({"n": 1})


def test_values_without_json_form_are_refused(journal):
    with pytest.raises(LineageError, match="no JSON form"):
        journal.append({"x": float("nan")})
    assert not journal.folder.exists() or not list(journal.folder.iterdir())
