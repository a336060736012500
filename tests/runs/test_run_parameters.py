"""Parameters and declarations are refused before any kernel starts."""

import nbformat
import pytest

from workbench.errors import ParameterError, RunError
from workbench.runs.ledger import Ledger
from workbench.runs.parameters import check, declared, parse_assignment
from workbench.runs.run import run_notebook


@pytest.fixture
def refused(workspace, notebook):
    """Message of a run that is refused, leaving no trace of a run."""

    def run(**options):
        if not (workspace.notebooks / "10-a.ipynb").exists():
            notebook("10-a", "raise SystemExit('a kernel was started')")
        with pytest.raises(ParameterError) as caught:
            run_notebook(workspace, "10-a", **options)
        assert Ledger(workspace.ledger).latest() == []
        assert not workspace.lineage.exists()
        assert not workspace.reports.exists()
        return str(caught.value)

    return run


def test_unknown_parameter_names_the_known_ones(refused):
    text = refused(parameters={"period": 4})
    assert text == (
        "10-a: parameter 'period': unknown; expected one of periods, share, label,"
        " images_folder, api_token."
    )


@pytest.mark.parametrize("value", ["4", 4.5, True, None, [4]])
def test_wrong_type_is_refused(refused, value):
    text = refused(parameters={"periods": value})
    assert text.startswith("10-a: parameter 'periods':")
    assert repr(value) in text
    assert "integer" in text


@pytest.mark.parametrize("value", [0, 11])
def test_out_of_range_is_refused(refused, value):
    assert f"{value} is refused" in refused(parameters={"periods": value})


def test_folder_that_does_not_exist_is_refused(refused):
    text = refused(parameters={"images_folder": "pictures"})
    assert "'pictures' is no folder" in text


def test_misspelt_config_is_refused(notebook, refused):
    notebook("10-a", "pass", config="small_notebooks:SmalConfig")
    assert "'small_notebooks:SmalConfig' cannot be imported" in refused()


def test_default_out_of_range_is_refused(notebook, refused):
    notebook("10-a", "pass", parameters="periods: int = 30")
    assert "'periods': 30 is refused" in refused()


def test_table_that_is_not_canonical_is_refused(notebook, refused):
    notebook("10-a", "pass", reads=["sale"])
    assert "'sale', which is not canonical" in refused()


def test_notebook_that_reads_what_it_writes_is_refused(notebook, refused):
    notebook("10-a", "pass", reads=["segments"], writes=["segments"])
    assert "reads and writes table 'segments'" in refused()


def test_notebook_without_declaration_is_refused(workspace, notebook, refused):
    path = notebook("10-a", "pass")
    document = nbformat.read(path, as_version=4)
    del document.metadata["workbench"]
    nbformat.write(document, path)
    assert "lacks config, reads or writes" in refused()


def test_file_that_is_no_notebook_is_refused(workspace, refused):
    (workspace.notebooks / "10-a.ipynb").write_text("not json")
    assert "not a notebook" in refused()


def test_missing_notebook_names_those_there(workspace, notebook):
    notebook("10-a", "pass")
    with pytest.raises(RunError, match=r"20-b: no such notebook; expected a path or one of 10-a\."):
        run_notebook(workspace, "20-b")


def test_missing_table_is_refused(workspace, notebook):
    notebook("10-a", "pass", reads=["segments"])
    with pytest.raises(RunError, match="10-a: reads table 'segments', which does not exist yet"):
        run_notebook(workspace, "10-a")
    assert Ledger(workspace.ledger).latest() == []


def test_declaration_reads_types_and_title(notebook):
    found = declared(notebook("10-a", "pass", reads=["sales"], writes=["segments"]))
    assert found.defaults["periods"] == 3
    assert (found.title, found.reads, found.writes) == ("10-a", ("sales",), ("segments",))


def test_check_takes_a_whole_number_for_a_real_one():
    from small_notebooks import SmallConfig

    assert check(SmallConfig, share=1).share == 1.0


@pytest.mark.parametrize(
    ("text", "value"),
    [("a=1", 1), ("a=1.5", 1.5), ("a=true", True), ("a=b c", "b c"), ("a=[1, 2]", [1, 2]),
     ("a=", ""), ("a=x=y", "x=y"), ("a='1'", "1")],
)  # fmt: skip
def test_assignment_of_the_command_line(text, value):
    assert parse_assignment(text) == ("a", value)


@pytest.mark.parametrize("text", ["a", "=1", "a b=1"])
def test_assignment_without_name_or_sign_is_refused(text):
    with pytest.raises(ParameterError, match="expected name=value"):
        parse_assignment(text)
