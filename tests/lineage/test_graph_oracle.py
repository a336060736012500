"""The graph against a second algorithm that reads the events anew for every question."""

import json
import random

import pytest
from journals import columns, dataset, lived, random_events, when, write

from workbench.errors import LineageError
from workbench.lineage.graph import lineage_graph
from workbench.lineage.journal import Journal


class PlainGraph:
    """Lists and loops only: resolves every read by scanning the events up to a time."""

    def __init__(self, events, minute):
        self.events = [one for one in events if one["eventTime"] <= when(minute).isoformat()]
        self.starts, self.writes, self.reads = {}, [], []
        for place, one in enumerate(self.events):
            run = one["run"]["runId"]
            if one["eventType"] == "START":
                self.starts[run] = place
            elif one["eventType"] == "COMPLETE":
                for output in one["outputs"]:
                    self.writes.append((place, run, output))
        self.versions = {}
        for place, run, output in self.writes:
            version = (output["name"], place)
            done = self.events[place]
            named = output["facets"].get("lineage")
            allowed = {i["name"] for i in named["inputs"]} if named else None
            self.versions[version] = [
                self.resolved(one, run, place)
                for one in done["inputs"]
                if allowed is None or one["name"] in allowed
            ]
        for place, one in enumerate(self.events):  # versions that are only read
            if one["eventType"] == "COMPLETE":
                for read in one["inputs"]:
                    self.reads.append(self.resolved(read, one["run"]["runId"], place))

    def resolved(self, read, run, done):
        started = self.starts[run]
        digest = read["facets"].get("version", {}).get("datasetVersion", "")
        same = [w for w in self.writes if w[2]["name"] == read["name"]]

        def of(write):
            return write[2]["facets"].get("version", {}).get("datasetVersion", "")

        before = [w for w in same if w[0] < started]
        exact = [w for w in before if of(w) == digest]
        if not digest and before:
            return (read["name"], before[-1][0])
        for found in (exact, [w for w in before if not of(w)]):
            if found:
                return (read["name"], found[-1][0])
        later = [w for w in same if w[0] > started and self.starts[w[1]] < started]
        later = [w for w in later if of(w) == digest]
        if digest and later:
            return (read["name"], later[0][0])
        return (read["name"], "outside", digest)

    def sources(self, version, seen=None):
        seen = set() if seen is None else seen
        for source in self.versions.get(version, []):
            if source not in seen:
                seen.add(source)
                self.sources(source, seen)
        return seen

    def newest(self, name):
        found = [(self.when_known(v), v) for v in {*self.versions, *self.reads} if v[0] == name]
        return max(found)[1] if found else None

    def when_known(self, version):
        if version[1] != "outside":
            return (version[1], 1)
        for place, one in enumerate(self.events):  # the first to complete that read it
            if one["eventType"] == "COMPLETE":
                run = one["run"]["runId"]
                if version in [self.resolved(i, run, place) for i in one["inputs"]]:
                    return (self.starts[run], 0)
        raise AssertionError(version)

    def upstream(self, name):
        return {source[0] for source in self.sources(self.newest(name))}

    def downstream(self, name):
        names = {version[0] for version in {*self.versions, *self.reads}}
        return {other for other in names if name in self.upstream(other)}


def _answers(graph, name):
    start = graph.start(name)
    up, down = graph.upstream(start), graph.downstream(start)
    return {one.version.name for one in up}, {one.version.name for one in down}


@pytest.mark.parametrize("seed", range(12))
def test_answers_are_those_of_the_second_algorithm_at_every_time(tmp_path, seed):
    events = random_events(seed)
    write(tmp_path, events)
    last = len({one["eventTime"] for one in events})
    asked = 0
    for minute in random.Random(seed).sample(range(1, last + 1), 12):
        plain = PlainGraph(events, minute)
        with lineage_graph(Journal(tmp_path), when(minute)) as graph:
            for name in [f"t{number}" for number in range(9)]:
                if plain.newest(name) is None:
                    with pytest.raises(LineageError, match="no run read or wrote"):
                        graph.start(name)
                    continue
                expected = (plain.upstream(name), plain.downstream(name))
                assert _answers(graph, name) == expected, (minute, name)
                asked += 1
    assert asked > 50


@pytest.mark.parametrize("seed", range(4))
def test_reading_bit_by_bit_gives_the_same_graph(tmp_path, seed):
    events = random_events(seed)
    write(tmp_path / "whole", events)
    chance = random.Random(seed)
    while events:
        some = chance.randint(1, 9)
        write(tmp_path / "bits", events[:some])
        events = events[some:]
        with lineage_graph(Journal(tmp_path / "bits")):
            pass

    def everything(folder):
        with lineage_graph(Journal(folder)) as graph:
            names = [one.name for one in graph.newest()]
            return {name: _answers(graph, name) for name in names}

    assert everything(tmp_path / "bits") == everything(tmp_path / "whole")


@pytest.mark.parametrize("seed", range(8))
def test_a_column_feeds_exactly_what_names_it_as_a_source(tmp_path, seed):
    """Downstream of columns is the inverse of upstream, which is walked another way."""
    chance = random.Random(seed)
    names, fields = [f"t{number}" for number in range(6)], ["a", "b", "c"]
    schema = {"schema": {"fields": [{"name": field} for field in fields]}}
    events = []
    for number in range(25):
        target = chance.choice(names)
        inputs = chance.sample([n for n in names if n != target], 2)
        facets = dict(schema)
        if chance.random() < 0.7:
            stated = {
                field: [f"{chance.choice(inputs)}.{chance.choice(fields)}"][: chance.randint(0, 1)]
                for field in fields
                if chance.random() < 0.8
            }
            facets["columnLineage"] = columns(**stated)
        output = dataset(target, f"v{number}", **facets)
        read = [dataset(name, **schema) for name in inputs]
        events += lived(2 * number, f"j{target}", f"run-{number}", read, [output])
    write(tmp_path, events)
    with lineage_graph(Journal(tmp_path)) as graph:
        known = {one.name for one in graph.newest()}
        ups, downs = set(), set()
        for table in known:
            for field in fields:
                start = graph.start(f"{table}.{field}")
                for one in graph.upstream(start):
                    held = fields if "" in one.columns else one.columns
                    ups |= {(one.version.name, other, table, field) for other in held}
                for one in graph.downstream(start):
                    held = fields if "" in one.columns else one.columns
                    downs |= {(table, field, one.version.name, other) for other in held}
    assert ups == downs
    assert len(ups) > 20


def test_no_event_twice_and_none_left_out_by_a_line_that_is_being_written(tmp_path):
    events = random_events(3)
    text = "".join(json.dumps(one) + "\n" for one in events).encode()
    path = tmp_path / "events-20260101-0001.ndjson"
    for end in (*range(0, len(text), 997), len(text)):
        path.write_bytes(text[:end])
        with lineage_graph(Journal(tmp_path)):
            pass
    plain = PlainGraph(events, 10_000)
    with lineage_graph(Journal(tmp_path)) as graph:
        for one in graph.newest():
            expected = (plain.upstream(one.name), plain.downstream(one.name))
            assert _answers(graph, one.name) == expected
