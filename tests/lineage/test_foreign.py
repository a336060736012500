"""Events of other producers: brought in once, joined with ours by the names that symlinks give."""

import json

import journals
import pytest
from journals import dataset, event, lived

from workbench.errors import LineageError
from workbench.lineage.foreign import import_events
from workbench.lineage.graph import lineage_graph
from workbench.lineage.journal import Journal
from workbench.lineage.lifecycle import RunLineage
from workbench.lineage.symlinks import load_symlinks
from workbench.lineage.validate import validate_journal

THEIRS = "duckdb:///srv/w.duckdb"
LINKED = {"symlinks": {"identifiers": [{"namespace": THEIRS, "name": "w.main.sales"}]}}
SETTINGS = """[lineage.symlinks]
sales = { namespace = "duckdb:///srv/w.duckdb", name = "w.main.sales" }
"exports/weekly.parquet" = [{ namespace = "duckdb:///srv/w.duckdb", name = "w.main.weekly" }]
"""


def _theirs(name):
    return {"namespace": THEIRS, "name": name}


def _dbt(minute, number):
    """A run of another producer: w.main.sales → w.main.weekly, without digests."""
    return lived(
        minute, "weekly", f"dbt-{number}", [_theirs("w.main.sales")], [_theirs("w.main.weekly")],
        producer="https://dbt",
    )  # fmt: skip


def _ingest(minute, number, **facets):
    return lived(minute, "ingest", f"in-{number}", (), [dataset("sales", f"d{number}", **facets)])


def _asked(folder, name):
    with lineage_graph(Journal(folder)) as graph:
        start = graph.start(name)
        return (
            {one.version.name for one in graph.upstream(start)},
            {(one.version.name, one.version.digest) for one in graph.upstream(start)},
            {one.version.name for one in graph.downstream(start)},
        )


WEEKLY, SALES = f"{THEIRS}/w.main.weekly", f"{THEIRS}/w.main.sales"


def test_a_symlink_makes_two_names_one_dataset(tmp_path):
    journals.write(tmp_path, [*_ingest(0, 1, **LINKED), *_dbt(5, 1)])
    assert _asked(tmp_path, WEEKLY)[1] == {("sales", "d1")}
    assert _asked(tmp_path, "sales")[2] == {WEEKLY}
    assert _asked(tmp_path, SALES) == _asked(tmp_path, "sales")


def test_names_that_were_two_datasets_are_joined_when_an_event_says_so(tmp_path):
    journals.write(tmp_path, [*_ingest(0, 1), *_dbt(5, 1), *_ingest(10, 2, **LINKED)])
    assert _asked(tmp_path, WEEKLY)[1] == {("sales", "d1")}  # as it stood when dbt read it
    assert _asked(tmp_path, "sales")[2] == {WEEKLY}


def test_of_several_versions_another_producer_read_the_newest_of_its_time(tmp_path):
    both = [*_ingest(0, 1, **LINKED), *_ingest(20, 2, **LINKED)]
    journals.write(tmp_path, [*both, *_dbt(10, 1)])  # brought in after both
    assert _asked(tmp_path, WEEKLY)[1] == {("sales", "d1")}


def test_events_brought_in_late_are_found_by_what_read_their_results_before(tmp_path):
    file = {"namespace": THEIRS, "name": "w.main.weekly"}
    file["facets"] = {"version": {"datasetVersion": "bytes"}}
    ours = lived(30, "ingest-weekly", "in-9", [file], [dataset("signals", "s")])
    journals.write(tmp_path, [*_ingest(0, 1, **LINKED), *ours, *_dbt(10, 1), *_dbt(20, 2)])
    assert _asked(tmp_path, "signals")[0] == {WEEKLY, "sales"}
    with lineage_graph(Journal(tmp_path)) as graph:
        (run,) = {
            one.version.run_id
            for one in graph.upstream(graph.start("signals"))
            if one.version.name == WEEKLY
        }
    assert run == "dbt-2"


def test_stages_of_another_producer_are_one_chain_in_any_order_of_lines(tmp_path):
    first = lived(0, "a", "r1", (), [_theirs("a")], producer="https://dbt")
    second = lived(1, "b", "r2", [_theirs("a")], [_theirs("b")], producer="https://dbt")
    lines = [first[0], second[0], first[1], second[1]]  # dbt-ol writes all starts first
    journals.write(tmp_path, lines)
    with lineage_graph(Journal(tmp_path)) as graph:
        (above,) = graph.upstream(graph.start(f"{THEIRS}/b"))
    assert above.version.run_id == "r1"


# --- bringing in -----------------------------------------------------------------------------


def _file(tmp_path, events):
    path = tmp_path / "theirs.ndjson"
    path.write_text("".join(json.dumps(one) + "\n" for one in events))
    return path


def _valid(number=1, **changed):
    url = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
    made = event("START", 0, "weekly", "01a217a7-f673-7059-a7e9-143456e9ffb6", producer="urn:dbt")
    made["job"] = {"namespace": "dbt", "name": f"weekly{number}"}
    return {**made, "schemaURL": url, **changed}


def test_a_file_that_grows_is_imported_again_and_again(tmp_path, journal):
    file = _file(tmp_path, [_valid(1)])
    assert import_events(journal, file, namespace="workbench://shop").new == 1
    _file(tmp_path, [_valid(1), _valid(2)])
    done = import_events(journal, file, namespace="workbench://shop")
    assert (done.new, done.known) == (1, 1)
    assert [line["job"]["name"] for line in journal.events()] == ["weekly1", "weekly2"]


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ("{", "not JSON"),
        ("[1]", "not a JSON object"),
        ("[" * 100_000, "nested too deeply"),
        (json.dumps(_valid(eventType="BEGIN")), "eventType"),
        (json.dumps(_valid(run={"runId": "7"})), "runId"),
        (json.dumps(_valid(job={"namespace": "workbench://shop", "name": "x"})), "itself"),
    ],
)
def test_one_bad_line_keeps_the_whole_file_out(tmp_path, journal, bad, said):
    file = _file(tmp_path, [_valid()])
    with file.open("a") as lines:
        lines.write(bad)
    with pytest.raises(LineageError, match=said) as refused:
        import_events(journal, file, namespace="workbench://shop")
    assert f"{file}:2" in str(refused.value)
    assert list(journal.events()) == []


def test_a_missing_file_is_told(tmp_path, journal):
    with pytest.raises(LineageError, match="cannot be read"):
        import_events(journal, tmp_path / "none", namespace="workbench://shop")


# --- our own names ----------------------------------------------------------------------------


def test_events_carry_the_other_names_of_our_datasets(tmp_path, journal, suppliers):
    settings = tmp_path / "workbench.toml"
    settings.write_text(SETTINGS.replace("sales", "suppliers", 1))
    run = RunLineage(
        journal, workspace_id="shop", job="x", symlinks=load_symlinks(settings),
        run_id="01a217a7-f673-7059-a7e9-143456e9ffb6",
    )  # fmt: skip
    run.start([suppliers])
    run.complete([suppliers])
    for one in journal.events():
        for side in (one["inputs"], one["outputs"]):
            for found in side:
                (other,) = found["facets"]["symlinks"]["identifiers"]
                assert other == {**_theirs("w.main.sales"), "type": "TABLE"}
    assert validate_journal(journal.folder).valid


def test_without_settings_there_are_no_other_names(tmp_path):
    assert load_symlinks(tmp_path / "none.toml") == {}


@pytest.mark.parametrize(
    "stated", ['"x"', "{ name = 'x' }", "{ namespace = 1, name = 'x' }", "[1]"]
)
def test_a_wrong_setting_is_told_with_its_name(tmp_path, stated):
    settings = tmp_path / "workbench.toml"
    settings.write_text(f"[lineage.symlinks]\nsales = {stated}\n")
    with pytest.raises(LineageError, match=r"lineage\.symlinks\.sales"):
        load_symlinks(settings)
