"""Small journals for tests of the graph, written as other producers' and our own events are."""

import json
import random
from datetime import UTC, datetime, timedelta

FIRST = datetime(2026, 1, 1, tzinfo=UTC)
SPACE = "workbench://shop"
PRODUCER = "urn:inventory-workbench:0"


def when(minute):
    return FIRST + timedelta(minutes=minute)


def dataset(name, digest="", **facets):
    version = {"version": {"datasetVersion": digest}} if digest else {}
    return {"namespace": SPACE, "name": name, "facets": {**version, **facets}}


def made_from(*names):
    """The facet that says what an output was made from."""
    return {"inputs": [{"namespace": SPACE, "name": name, "type": "DATASET"} for name in names]}


def columns(**stated):
    """The facet that says what columns were made from: column=["table.column", …]."""
    return {
        "fields": {
            column: {
                "inputFields": [
                    {"namespace": SPACE, "name": one.split(".")[0], "field": one.split(".")[1]}
                    for one in sources
                ]
            }
            for column, sources in stated.items()
        }
    }


def event(kind, minute, job, run, inputs=(), outputs=(), producer=PRODUCER, facets=None):
    return {
        "eventType": kind, "eventTime": when(minute).isoformat(), "producer": producer,
        "run": {"runId": run, "facets": facets or {}},
        "job": {"namespace": SPACE, "name": job},
        "inputs": list(inputs), "outputs": list(outputs),
    }  # fmt: skip


def lived(minute, job, run, inputs=(), outputs=(), **more):
    """START and COMPLETE of one run, a minute apart."""
    return [
        event("START", minute, job, run, inputs, **more),
        event("COMPLETE", minute + 1, job, run, inputs, outputs, **more),
    ]


def write(folder, events, name="events-20260101-0001.ndjson"):
    folder.mkdir(exist_ok=True)
    with (folder / name).open("a") as file:
        file.writelines(json.dumps(one) + "\n" for one in events)


def random_events(seed, runs=40, tables=9):
    """Runs that overlap, fail, rewrite what they read, and read what nobody wrote."""
    chance = random.Random(seed)
    names = [f"t{number}" for number in range(tables)]
    current, minute, under_way, events = {}, 0, [], []

    def read(name):
        digest = chance.choice([current.get(name, ""), current.get(name, ""), "", "old", "d1"])
        return dataset(name, digest)

    for number in range(runs):
        minute += 1
        inputs = [read(name) for name in chance.sample(names, chance.randint(0, 3))]
        run = (f"job{number % 7}", f"run-{number}", inputs)
        events.append(event("START", minute, *run))
        under_way.append(run)
        while under_way and (chance.random() < 0.6 or number == runs - 1):
            minute += 1
            job, run_id, inputs = under_way.pop(chance.randrange(len(under_way)))
            outputs = []
            for name in chance.sample(names, chance.randint(0, 3)):
                digest = chance.choice([f"d{chance.randint(0, 3)}", f"{run_id}-{name}", ""])
                of = [i["name"] for i in inputs if chance.random() < 0.6]
                facets = {"lineage": made_from(*of)} if chance.random() < 0.4 else {}
                outputs.append(dataset(name, digest, **facets))
                current[name] = digest
            kind = "FAIL" if chance.random() < 0.15 else "COMPLETE"
            events.append(event(kind, minute, job, run_id, inputs, outputs))
    return events
