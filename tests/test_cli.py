"""What the console script says and ends with, whatever was typed."""

import subprocess
import sys

import pytest

MAIN = "from workbench.cli import main; main()"


def typed(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-c", MAIN, *arguments], capture_output=True, text=True)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--bogus"], "workbench: No such option: --bogus; expected as 'workbench --help' says."),
        (["runs", "show"], "workbench runs show: Missing argument 'run_id'; expected as"),
        (["decide", "so"], "workbench decide: No such command 'so'; expected as"),
        (["trace", "--item", "5", "--line", "3"], "--line goes with --order; expected as"),
        (["runs", "list", "--\x1b[31m"], "No such option: --"),
    ],
)
def test_wrong_usage_is_one_sentence(arguments, told):
    done = typed(*arguments)
    assert done.returncode == 1
    assert told in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""
    assert "\x1b" not in done.stderr


def test_a_group_without_a_command_gives_its_help():
    done = typed("log")
    assert "Usage: workbench log" in done.stdout
    assert done.returncode == 1


def test_what_is_asked_for_is_no_error():
    for option in ("--help", "--version"):
        done = typed(option)
        assert (done.returncode, done.stderr) == (0, "")
        assert "workbench" in done.stdout
