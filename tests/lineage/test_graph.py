"""What was made from what, asked by table, column, version, run, model and decision."""

import pytest
from journals import columns, dataset, event, lived, made_from, when, write

from workbench.errors import LineageError
from workbench.lineage.graph import lineage_graph
from workbench.lineage.graph_text import overview, tree
from workbench.lineage.journal import Journal

RUN = "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"


def step(minute, job, read, made, run=None, **more):
    """A run with the names of what it read and made; versions are named by their run."""
    inputs = [dataset(*name.partition("@")[::2]) for name in read.split()]
    outputs = [dataset(name, f"{job}-{minute}") for name in made.split()]
    return lived(minute, job, run or f"run-{minute}", inputs, outputs, **more)


DAY = [
    *step(0, "ingest", "", "sales items"),
    *step(2, "twin", "sales items", "stock"),
    *step(4, "10-forecast", "sales", "forecasts"),
    *step(24 * 60, "30-policy", "forecasts stock items", "policies proposals"),
]


@pytest.fixture
def graph_of(tmp_path):
    opened = []

    def open_it(events, at=None):
        write(tmp_path / "lineage", events)
        held = lineage_graph(Journal(tmp_path / "lineage"), at)
        opened.append(held)
        return held.__enter__()

    yield open_it
    for held in opened:
        held.__exit__(None, None, None)


def up(graph, name):
    return [one.version.name for one in graph.upstream(graph.start(name))]


def down(graph, name):
    return [one.version.name for one in graph.downstream(graph.start(name))]


def test_upstream_and_downstream_reach_through_every_step(graph_of):
    graph = graph_of(DAY)
    assert up(graph, "proposals") == ["forecasts", "items", "stock", "sales"]
    assert down(graph, "sales") == ["forecasts", "stock", "policies", "proposals"]
    assert up(graph, "sales") == []
    assert graph.upstream_links(graph.start("stock"))["stock"]["sales"] == {"twin"}


def test_the_graph_is_that_of_the_time_asked_for(graph_of):
    graph = graph_of(DAY, when(12 * 60))
    assert up(graph, "forecasts") == ["sales"]
    assert down(graph, "sales") == ["forecasts", "stock"]
    with pytest.raises(LineageError, match=r"'proposals' by 2026-01-01 12:00:00 UTC"):
        graph.start("proposals")


def test_runs_that_did_not_complete_made_nothing(graph_of):
    failed = [event("START", 2, "twin", "r"), event("FAIL", 3, "twin", "r", [], [dataset("stock")])]
    graph = graph_of([*DAY[:2], *failed])
    assert down(graph, "sales") == []
    with pytest.raises(LineageError, match="no run read or wrote 'stock'"):
        graph.start("stock")


def test_a_number_keeps_the_sources_that_its_run_read(graph_of):
    """After sales are ingested again, the old forecast still comes from the old sales."""
    again = step(10, "other-ingest", "feed", "sales")
    forecast = step(5, "forecast", "sales@ingest-0", "forecasts")
    graph = graph_of([*step(0, "ingest", "export", "sales"), *forecast, *again])
    assert up(graph, "forecasts") == ["sales", "export"]
    assert up(graph, "sales") == ["feed"]
    assert down(graph, "feed") == ["sales"]
    assert down(graph, "export") == ["sales", "forecasts"][1:]


def test_a_table_that_a_step_reads_and_writes_rests_on_its_earlier_version(graph_of):
    events = [
        *step(0, "ingest", "file", "locations"),
        *step(2, "twin", "locations@ingest-0", "locations"),
    ]
    graph = graph_of(events)
    assert up(graph, "locations") == ["locations", "file"]
    assert down(graph, "file") == ["locations"]
    lines = tree("locations", graph.upstream_links(graph.start("locations")))
    assert lines == ["locations", "├── file  (ingest)", "└── locations  (twin) …"]


def test_a_tree_unfolds_each_table_once(graph_of):
    graph = graph_of(DAY)
    assert tree("sales", graph.downstream_links(graph.start("sales"))) == [
        "sales",
        "├── forecasts  (10-forecast)",
        "│   ├── policies  (30-policy)",
        "│   └── proposals  (30-policy)",
        "└── stock  (twin)",
        "    ├── policies  (30-policy)",
        "    └── proposals  (30-policy)",
    ]


def test_a_tree_of_great_depth_is_drawn():
    links = {f"t{number}": {f"t{number + 1}": {"job"}} for number in range(5_000)}
    assert len(tree("t0", links)) == 5_001


def test_explicit_lineage_joins_only_what_it_names(graph_of):
    outputs = [
        dataset("sales", "s", lineage=made_from("till")),
        dataset("items", "i", lineage=made_from("master")),
        dataset("suppliers", "p", lineage=made_from()),
        dataset("notes", "n"),
    ]
    inputs = [dataset("till", "1"), dataset("master", "2")]
    graph = graph_of(lived(0, "ingest", RUN, inputs, outputs))
    found = {name: up(graph, name) for name in ("sales", "items", "suppliers", "notes")}
    assert found == {
        "sales": ["till"], "items": ["master"], "suppliers": [], "notes": ["master", "till"]
    }  # fmt: skip


def test_columns_follow_what_events_state_and_whole_tables_where_they_state_nothing(graph_of):
    schema = {"schema": {"fields": [{"name": "quantity"}, {"name": "region"}, {"name": "kind"}]}}
    stated = columns(quantity=["till.units"], kind=[])
    sales = dataset("sales", "s", columnLineage=stated, **schema)
    read = [dataset("till", "1"), dataset("regions", "2")]
    events = [
        *lived(0, "ingest", "run-0", read, [sales]),
        *step(2, "forecast", "sales@s", "forecasts"),
    ]
    graph = graph_of(events)

    def sources(name):
        return [(f.version.name, f.columns) for f in graph.upstream(graph.start(name))]

    assert sources("sales.quantity") == [("till", ("units",))]
    assert sources("sales.kind") == []
    assert sources("sales.region") == [("regions", ("",)), ("till", ("",))]
    assert sources("forecasts.units")[0] == ("sales", ("",))
    fed = graph.downstream(graph.start("till.units"))
    assert [(f.version.name, f.columns) for f in fed] == [
        ("sales", ("quantity", "region")), ("forecasts", ("",)),
    ]  # fmt: skip
    with pytest.raises(LineageError, match=r"sales has no column 'quantty'; .* such as quantity"):
        graph.start("sales.quantty")


def test_a_run_answers_with_what_it_read_and_made(graph_of):
    graph = graph_of([*DAY[:4], *step(6, "forecast", "sales@ingest-0", "forecasts", run=RUN)])
    start = graph.start(RUN)
    assert start.title == f"forecast · run {RUN}"
    assert up(graph, RUN) == ["sales"]
    assert down(graph, RUN) == ["forecasts"]
    assert tree(start.title, graph.upstream_links(start))[1] == "└── sales  (forecast)"


def test_an_exact_version_is_asked_for_by_its_digest(graph_of):
    events = [
        *step(0, "ingest", "", "sales"),
        *step(2, "forecast", "sales@ingest-0", "old"),
        *step(4, "ingest", "", "sales"),
        *step(6, "forecast", "sales@ingest-4", "new"),
    ]
    graph = graph_of(events)
    assert down(graph, "sales@ingest-0") == ["old"]
    assert down(graph, "sales@ingest-4") == ["new"]
    assert down(graph, "sales") == ["new", "old"]
    with pytest.raises(LineageError, match="no version of 'sales' begins with 'ffff'"):
        graph.start("sales@ffff")


def test_models_stand_between_the_run_that_trained_them_and_those_that_used_them(graph_of):
    def models(role, **more):
        model = {"name": "demand", "version": "1", "digest": "abc", "role": role, **more}
        return {"workbench_models": {"models": [model]}}

    events = [
        *step(0, "train", "sales weather", "metrics",
              facets=models("trained", trainingInputs={"sales": "x"})),
        *step(2, "score", "items", "forecasts", facets=models("used")),
    ]  # fmt: skip
    graph = graph_of(events)
    assert up(graph, "demand") == ["sales"]
    assert down(graph, "demand@abc") == ["forecasts"]
    assert up(graph, "forecasts") == ["demand", "items", "sales"]


def test_a_decision_leads_to_the_run_whose_entries_it_is_among(graph_of):
    def log(first, entries):
        facet = {"origin": "shop", "firstIndex": first, "entries": entries}
        return {"workbench_decisionLog": facet}

    events = [
        *step(0, "policy", "stock", "proposals", facets=log(0, 10)),
        *step(2, "policy", "stock", "proposals", facets=log(12, 5)),
    ]
    graph = graph_of(events)
    assert "run run-0" in graph.entry("shop", 9).title
    assert "run run-2" in graph.entry("shop", 12).title
    for origin, index in (("shop", 10), ("shop", 17), ("other", 3)):
        with pytest.raises(LineageError, match=f"appended entry {index} of log {origin}"):
            graph.entry(origin, index)


def test_a_version_that_was_being_written_when_it_was_read_belongs_to_its_run(graph_of):
    """A table is current a moment before its run is complete; a reader may start in between."""
    events = [
        event("START", 0, "ingest", "writer", [dataset("file", "f")]),
        event("START", 1, "forecast", "reader", [dataset("sales", "s")]),
        event("COMPLETE", 2, "forecast", "reader", [dataset("sales", "s")], [dataset("out", "o")]),
        event("COMPLETE", 3, "ingest", "writer", [dataset("file", "f")], [dataset("sales", "s")]),
    ]
    graph = graph_of(events)
    assert up(graph, "out") == ["sales", "file"]
    assert up(graph_of([], when(2)), "out") == ["sales"]


def test_datasets_of_other_producers_keep_their_namespace(graph_of):
    space = {"namespace": "postgres://db:5432"}
    events = lived(
        0, "dbt", RUN, [{"name": "a", **space}], [{"name": "b", **space}], producer="x:y"
    )
    graph = graph_of(events)
    assert [one.name for one in graph.newest()] == ["postgres://db:5432/a", "postgres://db:5432/b"]
    assert up(graph, "postgres://db:5432/b") == ["postgres://db:5432/a"]
    assert up(graph, "b") == ["postgres://db:5432/a"]


def test_other_producers_may_name_inputs_at_the_start_and_outputs_at_the_end(graph_of):
    events = [
        event("START", 0, "dbt", RUN, [dataset("a")], producer="https://dbt"),
        event("COMPLETE", 1, "dbt", RUN, [], [dataset("b")], producer="https://dbt"),
    ]
    assert up(graph_of(events), "b") == ["a"]


def test_names_that_a_symlink_joins_are_one_dataset(graph_of):
    file = {"namespace": "file", "name": "/data/sales.parquet"}
    same = {"symlinks": {"identifiers": [{**file, "type": "TABLE"}]}}
    events = [
        *lived(0, "ingest", "run-0", [dataset("till", "1")], [dataset("sales", "s", **same)]),
        *lived(2, "dbt", RUN, [{**file, "facets": {}}], [dataset("mart")], producer="https://dbt"),
    ]
    graph = graph_of(events)
    assert up(graph, "mart") == ["sales", "till"]
    assert down(graph, "/data/sales.parquet") == ["mart"]


def test_reports_of_one_notebook_are_versions_of_one_dataset(graph_of):
    def report(run):
        name = f"reports/10-a/2026-01-01/{run}"
        return [dataset(f"{name}/run.json", f"m{run}"), dataset(f"{name}/report.html", "h")]

    other = RUN.replace("5b", "5c")
    events = [
        *lived(0, "10-a", RUN, [dataset("sales", "1")], report(RUN)),
        *lived(2, "10-a", other, [dataset("sales", "2")], report(other)),
    ]
    graph = graph_of(events)
    (found,) = graph.downstream(graph.start("sales"))
    assert (found.version.name, found.version.digest) == ("reports/10-a", other)
    assert graph.start(f"reports/10-a/2026-01-01/{RUN}/report.html").dataset is not None


@pytest.mark.parametrize("read", [["run.json", "errors.csv"], ["errors.csv", "run.json"], ["a"]])
def test_what_was_made_from_any_file_of_a_report_rests_on_what_its_run_read(graph_of, read):
    def files(*names):
        return [dataset(f"reports/10-a/2026-01-01/{RUN}/{name}", f"d-{name}") for name in names]

    events = [
        *lived(0, "10-a", RUN, [dataset("sales", "1")], files("run.json", "report.html")),
        *lived(2, "60-b", "run-b", files(*read), [dataset("alarms", "1")]),
    ]
    assert up(graph_of(events), "alarms") == ["reports/10-a", "sales"]


def test_the_overview_groups_what_was_made_together_and_keeps_the_newest_run(graph_of):
    graph = graph_of([*DAY, *step(5_000, "10-forecast", "sales@ingest-0 items", "forecasts")])
    lines = list(overview(graph.runs()))
    assert lines[0] == "ingest · 2026-01-01 00:01 · run run-0"
    assert lines[1] == "    nothing on record → items, sales"
    assert lines[-2:] == ["10-forecast · 2026-01-04 11:21 · run run-5000",
                          "    items, sales → forecasts"]  # fmt: skip
    assert len(list(overview(graph.runs(newest=False)))) == len(lines) + 2


def test_names_cannot_steer_the_terminal(graph_of):
    graph = graph_of(step(0, "ev\x1b[2Jil", "a\x07b", "c\u202ed"))
    text = "\n".join([*overview(graph.runs()), *tree("x\x1b", {"x\x1b": {"\x9b1m": set()}})])
    assert not set(text) & set("\x1b\x07\u202e\x9b")


def test_an_unknown_table_is_refused(graph_of):
    with pytest.raises(LineageError, match=r"no run read or wrote 'salse'.* such as sales"):
        graph_of(DAY).start("salse")
