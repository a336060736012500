"""What differs between two runs."""

from dataclasses import replace
from datetime import date

from workbench.runs.compare import differences
from workbench.runs.ledger import RunRow

CUT_OFF = RunRow(
    run_id="a", job="20-b", kind="notebook", as_of=date(2024, 7, 18), skip_key="k", attempt=0,
    status="aborted", pid=1, started="2024-07-19T00:00:00+00:00", ended=None, parameters={"n": 1},
    inputs={"sales": "df32f6a1bf657204"}, outputs={}, report=None, error=None,
)  # fmt: skip


def test_a_run_that_left_no_report_is_compared_by_versions_of_its_tables(workspace):
    # The other one's manifest would give content digests, which are no versions.
    whole = replace(CUT_OFF, run_id="b", status="complete", report="reports/20-b/2024-07-18/b")
    assert differences(workspace, CUT_OFF, whole) == [("status", "aborted", "complete")]
    newer = replace(whole, inputs={"sales": "0e72063298dd94b5"})
    changed = differences(workspace, CUT_OFF, newer)
    assert changed[0] == ("inputs.sales", "df32f6a1bf657204", "0e72063298dd94b5")
