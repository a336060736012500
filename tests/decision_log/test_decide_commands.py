"""`workbench decide` and `workbench orders` as a planner uses them."""

import csv
import hashlib
import json
import pwd
from datetime import date
from os import getuid

import pytest
from typer.testing import CliRunner

from workbench.cli import app
from workbench.decision_log.append import open_log
from workbench.errors import LogError

WEEK = {"valid_from": date(2018, 1, 1), "valid_to": date(2018, 1, 8)}
HEAD = "proposal_id,answer,quantity,reason_code,reason,expires\n"


@pytest.fixture
def plan(workspace, logs):
    """Four proposals of a week, of two suppliers."""
    records = [
        logs.record(
            number, **WEEK, item_id=f"I{number}", location_id="DC1", unit="EA", currency="EUR",
            supplier_id=f"S{number % 2}", quantity=10.0 * number,
            detail={"proposal": "replenishment", "order_date": "2018-01-01", "unit_cost": 1.5},
        )
        for number in range(1, 5)
    ]  # fmt: skip
    open_log(workspace).append(records)
    return workspace


@pytest.fixture
def call():
    """Calls `workbench`; errors that it would print are raised."""

    def run(*arguments):
        result = CliRunner().invoke(app, list(map(str, arguments)))
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


@pytest.fixture
def answers(tmp_path):
    """Writes a file of answers."""

    def write(text, head=HEAD):
        path = tmp_path / "answers.csv"
        path.write_text(head + text)
        return path

    return write


def _size(workspace):
    return open_log(workspace).checkpoint().size


def test_each_verb_enters_one_record_by_the_user_of_the_system(plan, call):
    call("decide", "accept", "d1")
    call("decide", "override", "d2", "--quantity", "5", "--reason-code", "promotion",
         "--reason", "Flyer", "--expires", "2018-01-05")  # fmt: skip
    call("decide", "reject", "d3", "--reason-code", "delisted")
    call("orders", "execute", "d1", "--order", "PO-7", "--line", "2")
    call("orders", "outcomes", "d1", "--received", "9", "--date", "2018-01-06", "--money=-3.5")
    output = call("trace", "--decision", "d1").output
    user = pwd.getpwuid(getuid()).pw_name
    for text in (
        "stands at 10 pieces: was ordered as PO-7 by", f"acceptance of 10 pieces  by {user}",
        "execution of 10 pieces as order PO-7 line 2",
        "outcome, received 9 pieces by 2018-01-06, lost 3.50 EUR",
    ):  # fmt: skip
        assert text in output
    output = call("trace", "--item", "I2", "--date", "2018-01-04").output
    assert "override from 20 to 5 pieces, until before 2018-01-05: promotion" in output
    output = call("trace", "--item", "I3").output
    assert "nothing is to be ordered: was rejected by" in call("trace", "--decision", "d3").output
    with pytest.raises(LogError, match="own override"):
        call("decide", "approve", "d2")


def test_an_order_that_only_the_log_knows_is_traced_to_its_execution(plan, call):
    call("decide", "accept", "d1")
    call("orders", "execute", "d1", "--order", "PO-7", "--line", "2")
    found = json.loads(call("trace", "--order", "PO-7", "--json").output)
    assert [decision["record"]["kind"] for decision in found["decisions"]] == ["execution"]
    assert [e["record"]["id"] for e in found["decisions"][0]["answers"]][-1] == "d1"
    with pytest.raises(LogError, match="nor named by an entry of the log"):
        call("trace", "--order", "PO-8")


def test_a_file_of_answers_is_entered_in_one_piece_and_once(plan, call, answers):
    path = answers('d1,accept,,,,\nd2,Override,5,promotion,"Flyer, twice",2018-01-05\n'
                   "d3,reject,,delisted,,\n")  # fmt: skip
    done = json.loads(call("decide", "batch", path, "--json").output)
    assert (done["entered"], done["size"]) == (3, 7)
    assert [record["kind"] for record in done["records"]] == ["acceptance", "override", "rejection"]
    assert "0 entered, 3 had been entered before" in call("decide", "batch", path).output


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("d1,accept,,,,\nd9,accept,,,,\n", "line 3: decision 'd9': not in the log.*Nothing was"),
        ("d1,accept,,,,\nd1,accept,,,,\n", "line 3: answers 'd1' as line 2 does"),
        ("d1,maybe,,,,\n", "line 2: .*answer 'maybe'; expected an id and one of accept"),
        (",accept,,,,\n", "line 2: proposal_id ''"),
        ("d1,override,many,x,y,\n", "line 2: could not convert"),
        ("d1,override,5,x,y,tomorrow\n", "line 2: Invalid isoformat"),
        ("d1,override,5,x,,\n", "line 2: decision 'd1': override without a reason"),
        ("d1,accept\n", "line 2: expected 6 values"),
        ("d1,accept,,,a,b,c\n", "line 2: expected 6 values"),
        ('d1,accept,,,"a\n', "not CSV"),
        ("", "no answers"),
    ],
)
def test_a_file_with_a_bad_line_enters_nothing(plan, call, answers, text, message):
    with pytest.raises(LogError, match=message):
        call("decide", "batch", answers(text))
    assert _size(plan) == 4


@pytest.mark.parametrize(
    "head", ["id,answer\n", "proposal_id,answer,answer\n", "proposal_id,answer,x\n"]
)
def test_a_file_with_other_columns_is_refused(plan, call, answers, head):
    with pytest.raises(LogError, match="expected proposal_id, answer"):
        call("decide", "batch", answers("d1,accept,,\n", head))


def test_a_file_that_is_no_text_is_refused(plan, call, tmp_path):
    (tmp_path / "x.csv").write_bytes(b"\xff\xfe\x00")
    for name, message in (("x.csv", "byte 0 is not UTF-8"), ("y.csv", "No such file")):
        with pytest.raises(LogError, match=message):
            call("decide", "batch", tmp_path / name)


def test_a_file_of_a_european_spreadsheet_is_read(plan, call, answers):
    head = "proposal_id;answer;quantity;reason_code;reason\n"
    path = answers("d1;accept;;;\nd2;override;5,0;promotion;Flyer, twice\n", head)
    done = json.loads(call("decide", "batch", path, "--json").output)
    assert done["records"][1]["kind"] == "override"
    with pytest.raises(LogError, match=r"line 2: quantity '1\.250' may mean thousands"):
        call("decide", "batch", answers("d3;override;1.250;promotion;x\n", head))


@pytest.fixture
def decided(plan, call):
    """All answered: one overridden to nothing, one rejected."""
    for number in (1, 3):
        call("decide", "accept", f"d{number}")
    call("decide", "override", "d2", "--quantity", "0", "--reason-code", "space", "--reason", "x")
    call("decide", "reject", "d4", "--reason-code", "delisted")
    return plan


def _lines(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_accepted_proposals_become_an_order_file_that_their_entries_name(decided, call, tmp_path):
    out = tmp_path / "orders.csv"
    done = json.loads(call("orders", "export", out, "--json").output)
    assert (done["orders"], done["lines"], done["zero"]) == (1, 2, 1)
    lines = _lines(out)
    assert [(line["line"], line["item_id"], line["quantity"]) for line in lines] == [
        ("1", "I1", "10"), ("2", "I3", "30"),
    ]  # fmt: skip
    found = json.loads(call("trace", "--order", lines[0]["order_id"], "--json").output)
    digest = hashlib.sha256(out.read_bytes()).hexdigest()
    for decision in found["decisions"]:
        assert decision["record"]["detail"]["order_file_sha256"] == digest
    with pytest.raises(LogError, match="exists; expected a new file"):
        call("orders", "export", out)
    with pytest.raises(LogError, match="no decision waits"):
        call("orders", "export", tmp_path / "more.csv")
    assert sorted(path.name for path in tmp_path.glob("*.csv")) == ["orders.csv"]


def test_an_export_cut_off_before_its_entries_begins_anew(decided, call, tmp_path):
    (tmp_path / ".orders.csv.unfinished").write_bytes(b"order_id,line,decision_id\r\nPO-9,1,d1\r\n")
    call("orders", "export", tmp_path / "orders.csv")
    assert len(_lines(tmp_path / "orders.csv")) == 2
    assert not (tmp_path / ".orders.csv.unfinished").exists()


def test_an_export_cut_off_after_its_entries_is_finished_with_the_same_bytes(
    decided, call, tmp_path
):
    out, staged = tmp_path / "orders.csv", tmp_path / ".orders.csv.unfinished"
    call("orders", "export", out)
    data, size = out.read_bytes(), _size(decided)
    out.rename(staged)
    call("orders", "export", out)
    assert (out.read_bytes(), _size(decided), staged.exists()) == (data, size, False)


def test_an_export_into_a_missing_folder_enters_nothing(decided, call, tmp_path):
    size = _size(decided)
    with pytest.raises(LogError, match="cannot be written"):
        call("orders", "export", tmp_path / "none" / "orders.csv")
    assert _size(decided) == size


@pytest.mark.parametrize(
    "arguments",
    [
        ["decide", "override", "d1", "--quantity", "x", "--reason-code", "a", "--reason", "b"],
        ["decide", "override", "d1", "--quantity", "1", "--reason", "b"],
        ["decide", "override", "d1", "--quantity", "1", "--reason-code", "a", "--reason", "b",
         "--expires", "soon"],
        ["orders", "execute", "d1"],
        ["orders", "outcomes", "d1", "--received", "1", "--date", "soon"],
        ["orders", "outcomes", "d1", "--received", "1", "--date", ""],
    ],
)  # fmt: skip
def test_wrong_usage_exits_with_2(plan, call, arguments):
    assert call(*arguments).exit_code == 2
    assert _size(plan) == 4


def test_a_rerun_takes_no_answer_from_the_order_file_and_orders_nothing_twice(
    plan, call, logs, tmp_path
):
    call("decide", "override", "d1", "--quantity", "5", "--reason-code", "x", "--reason", "Flyer")
    again = {
        number: logs.record(
            number + 10, **WEEK, item_id=f"I{number}", location_id="DC1", unit="EA",
            detail={"proposal": "replenishment"}, quantity=8.0,
        )
        for number in (1, 2)
    }  # fmt: skip
    open_log(plan).append(list(again.values()))
    out = tmp_path / "first.csv"
    assert "1 line in 1 order, all in the log" in call("orders", "export", out).output
    assert [line["quantity"] for line in csv.DictReader(out.open())] == ["5"]
    order = next(csv.DictReader(out.open()))["order_id"]
    output = call("trace", "--decision", "d11").output
    assert f"the same was ordered as {order} by" in output
    assert "by another decision: 5 pieces" in output
    with pytest.raises(LogError, match=f"the same was ordered as {order}"):
        call("decide", "accept", "d11")
    done = call("decide", "accept", "d11", "--again", "--reason", "A second lorry")
    assert "supersedes" not in done.output  # what is ordered stays ordered
    call("decide", "accept", "d12")
    second = call("orders", "export", tmp_path / "second.csv").output
    assert "2 lines in 1 order" in second or "2 lines in 2 orders" in second
