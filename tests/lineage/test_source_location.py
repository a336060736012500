"""A job's code is located in git only where git holds exactly that code."""

import subprocess

import pytest

from workbench.lineage.source_location import source_location


def git(folder, *arguments):
    return subprocess.run(
        ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", "-C", folder, *arguments],
        check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip


@pytest.fixture
def notebook(tmp_path):
    folder = tmp_path / "repository" / "note books"
    folder.mkdir(parents=True)
    git(tmp_path / "repository", "init", "-q", "-b", "main")
    path = folder / "10-x.ipynb"
    path.write_text("{}\n")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "first")
    return path


def test_a_committed_file_is_located_at_its_commit(notebook):
    found = source_location(notebook)
    assert (found.path, found.branch, found.repository) == ("note books/10-x.ipynb", "main", None)
    assert found.commit == git(notebook.parent, "rev-parse", "HEAD")
    assert found.url == notebook.resolve().as_uri()


def test_credentials_of_the_remote_are_left_out(notebook):
    git(notebook.parent, "remote", "add", "origin", "https://ann:pw@git.example.org/shop.git")
    assert source_location(notebook).repository == "https://git.example.org/shop.git"


def test_a_detached_commit_has_no_branch(notebook):
    git(notebook.parent, "checkout", "-q", "--detach")
    assert source_location(notebook).branch is None


def test_code_that_differs_from_the_commit_is_not_located(notebook):
    notebook.write_text("{1}\n")
    assert source_location(notebook) is None


def test_a_file_that_git_does_not_hold_is_not_located(notebook, tmp_path):
    fresh = notebook.with_name("20-y.ipynb")
    fresh.write_text("{}\n")
    outside = tmp_path / "outside.ipynb"
    outside.write_text("{}\n")
    assert source_location(fresh) is None
    assert source_location(outside) is None
    assert source_location(tmp_path / "missing" / "x.ipynb") is None
