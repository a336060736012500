"""Faults of the real world, planted on frames, are found; clean tables raise no error."""

import pytest

from benchmarks.defects.clean import clean_tables
from benchmarks.defects.inject import DEFECTS
from benchmarks.seeded_defects import audit_clean, try_defect


@pytest.fixture(scope="module")
def clean():
    return clean_tables(items=24)


def test_clean_tables_raise_no_finding_of_level_error(clean):
    result = audit_clean(clean)
    assert result.findings.query("severity == 'error'")["finding"].tolist() == []
    assert len(result.checks) > 100


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.damage.__name__)
def test_every_planted_fault_is_found_where_it_was_planted(clean, defect):
    outcome = try_defect(clean, defect, injections=5, seed=11)
    assert outcome.found == outcome.planted == 5
