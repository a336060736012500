"""Published schemas say what the code writes: facets and the decision record."""

import json
from dataclasses import fields
from datetime import UTC, date, datetime

import attr
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.contracts.records import (
    FIELD_NAMES,
    KINDS,
    SCHEMA_VERSION,
    DecisionRecord,
    ModelReference,
    RowEvidence,
)
from workbench.lineage import facets
from workbench.lineage.schemas import own_schemas

RECORD = "DecisionRecord"
DIGEST = st.text("0123456789abcdef", min_size=64, max_size=64)
WORD = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
DAY = st.none() | st.dates(date(1990, 1, 1), date(2100, 1, 1))
RECORDS = st.builds(
    DecisionRecord,
    id=WORD,
    kind=st.sampled_from(KINDS),
    recorded_at=st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),
    actor=WORD,
    role=WORD,
    as_of=DAY,
    valid_from=DAY,
    valid_to=DAY,
    expires=DAY,
    item_id=st.none() | WORD,
    order_line=st.none() | st.integers(-(2**53) + 1, 2**53 - 1),
    policy_digest=st.none() | DIGEST,
    models=st.lists(st.builds(ModelReference, WORD, WORD, DIGEST), max_size=2).map(tuple),
    run_ids=st.lists(st.uuids().map(str), max_size=2).map(tuple),
    inputs=st.dictionaries(WORD, DIGEST, max_size=2),
    evidence=st.lists(
        st.builds(RowEvidence, WORD, DIGEST, st.integers(0, 99), st.integers(0, 99)), max_size=2
    ).map(tuple),
    quantity=st.none() | NUMBER,
    interval_level=st.none() | st.floats(0, 1),
    currency=st.none() | st.sampled_from(["USD", "EUR"]),
    simulated=st.booleans(),
    reasons=st.lists(WORD, max_size=2).map(tuple),
    supersedes=st.none() | WORD,
    detail=st.dictionaries(WORD, WORD | NUMBER, max_size=2),
)


def definition(name):
    return next(s["$defs"][name] for s in own_schemas().schemas.values() if name in s["$defs"])


@given(RECORDS)
def test_every_record_keeps_to_its_schema(record):
    entry = json.loads(record.canonical())
    assert list(own_schemas().findings(RECORD, entry, "")) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("kind", "guess"), ("recorded_at", "2026-01-01T00:00:00+01:00"), ("recorded_at", "today"),
        ("as_of", "2026-02-30"), ("policy_digest", "ab"), ("run_ids", ["7"]), ("quantity", "7"),
        ("interval_level", 95), ("currency", "dollars"), ("models", [{"name": "m"}]),
        ("simulated", None), ("schema_version", 2), ("colour", "red"),
    ],
)  # fmt: skip
def test_a_record_that_breaks_its_schema_is_seen(field, value):
    record = DecisionRecord("d1", "fact", datetime(2026, 1, 1, tzinfo=UTC), "ann", "planner")
    entry = {**json.loads(record.canonical()), field: value}
    assert list(own_schemas().findings(RECORD, entry, "")) != []


def test_record_schema_and_dataclass_have_the_same_fields():
    schema = definition(RECORD)
    always = json.loads(
        DecisionRecord("d1", "fact", datetime(2026, 1, 1, tzinfo=UTC), "ann", "planner").canonical()
    )
    assert tuple(schema["properties"]) == FIELD_NAMES
    assert set(schema["required"]) == set(always)
    assert tuple(schema["properties"]["kind"]["enum"]) == KINDS
    assert schema["properties"]["schema_version"]["const"] == SCHEMA_VERSION


@pytest.mark.parametrize("part", [ModelReference, RowEvidence])
def test_parts_of_a_record_have_the_fields_of_their_dataclasses(part):
    schema = definition(part.__name__)
    assert list(schema["properties"]) == [item.name for item in fields(part)]
    assert schema["required"] == list(schema["properties"])


@pytest.mark.parametrize(
    ("cls", "name"),
    [
        (facets.WorkbenchModelsRunFacet, "WorkbenchModelsRunFacet"),
        (facets.WorkbenchDecisionLogRunFacet, "WorkbenchDecisionLogRunFacet"),
        (facets.WorkbenchProvenanceDatasetFacet, "WorkbenchProvenanceDatasetFacet"),
        (facets.Model, "Model"),
        (facets.Gate, "Gate"),
    ],
)
def test_facet_schemas_have_the_fields_of_their_classes(cls, name):
    schema = definition(name)
    members = {item.name: item for item in attr.fields(cls)}
    required = {n for n, item in members.items() if item.default is attr.NOTHING}
    stamped = {"_producer", "_schemaURL"} & set(members)
    internal = {"_base_skip_redact", "_additional_skip_redact", "_skip_redact"}
    assert set(schema["properties"]) == set(members) - internal
    assert set(schema["required"]) == required | stamped


@pytest.mark.parametrize(
    "cls",
    [
        facets.WorkbenchModelsRunFacet,
        facets.WorkbenchDecisionLogRunFacet,
        facets.WorkbenchProvenanceDatasetFacet,
    ],
)
def test_a_facet_points_to_its_published_schema(cls):
    schema = own_schemas().schemas[f"{cls.__name__}.json"]
    assert cls._get_schema() == f"{schema['$id']}#/$defs/{cls.__name__}"
    assert definition(cls.__name__)["properties"]["_schemaURL"]["const"] == cls._get_schema()
