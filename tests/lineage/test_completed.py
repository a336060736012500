"""What COMPLETE events hold on record about a run's files and tables."""

import pytest

from workbench.lineage.completed import CompletedRuns, file_digests, version_names
from workbench.lineage.facts import FileVersion, ParentRun
from workbench.lineage.lifecycle import RunLineage

RUN, OTHER = ("01920000-0000-7000-8000-00000000000" + end for end in "12")


@pytest.fixture
def completed(journal, suppliers, tmp_path):
    """A run that read a table and left a report, and one that it started and that still runs."""
    lineage = RunLineage(journal, workspace_id="shop-1", job="10-forecast", run_id=RUN)
    lineage.start([suppliers], {})
    child = RunLineage(
        journal,
        workspace_id="shop-1",
        job="step",
        run_id=OTHER,
        parent=ParentRun("10-forecast", RUN),
    )
    child.start([], {})
    report = tmp_path / "reports" / "10-forecast" / "2017-12-31" / RUN
    lineage.complete([], files=[FileVersion(report / "tables" / "a.csv", "ab" * 32, 3)])
    return CompletedRuns(journal)


def test_digests_are_told_by_path_within_the_report(completed):
    assert file_digests(completed.event(RUN), RUN) == {"tables/a.csv": "ab" * 32}


def test_files_of_a_workspace_are_told_though_it_names_them_by_their_path_in_it(journal, tmp_path):
    lineage = RunLineage(journal, workspace_id="shop-1", job="10-forecast", run_id=RUN)
    lineage.start([], {})
    name = f"reports/10-forecast/2017-12-31/{RUN}/report.html"
    lineage.complete(
        [],
        files=[FileVersion(tmp_path / name, "cd" * 32, 3, "html", "workbench://shop-1", name)],
    )
    event = CompletedRuns(journal).event(RUN)
    assert file_digests(event, RUN) == {"report.html": "cd" * 32}


def test_versions_of_tables_are_told_by_digest(completed, suppliers):
    event = completed.event(RUN)
    assert version_names(event, "suppliers", suppliers.digest) == {suppliers.version}
    assert version_names(event, "suppliers", "00" * 32) == set()


def test_a_run_without_its_own_complete_event_has_none(completed):
    assert completed.event(OTHER) is None
    assert completed.event("unknown") is None


def test_lines_and_datasets_of_another_form_are_left_out(completed, journal):
    line = f'{{"eventType":"COMPLETE","run":{{"runId":"{OTHER}"'
    with journal.files()[-1].open("a") as file:
        file.write(line + "\n" + line + '},"outputs":[1,{"facets":2}]}\n')
    event = CompletedRuns(journal).event(OTHER)
    assert file_digests(event, OTHER) == {}
