"""Model packages."""

import hashlib
import json

import pytest

from workbench.edge.package import MANIFEST, describe_package, open_package
from workbench.errors import ModelError

FACTS = {"name": "counter", "version": "1.0.0", "model": "model.onnx", "task": "count"}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"weights")
    (tmp_path / "card.md").write_text("# Card\n")
    (tmp_path / MANIFEST).write_text(describe_package(tmp_path, FACTS))
    return tmp_path


def test_reference_carries_the_digest_of_the_model_bytes(folder):
    assert open_package(folder).reference.digest == hashlib.sha256(b"weights").hexdigest()


def test_altered_model_is_refused(folder):
    (folder / "model.onnx").write_bytes(b"weightz")
    with pytest.raises(ModelError, match=r"model\.onnx: SHA-256"):
        open_package(folder)


def test_missing_card_is_refused(folder):
    (folder / "card.md").unlink()
    with pytest.raises(ModelError, match=r"card\.md: cannot be read"):
        open_package(folder)


def test_file_outside_the_manifest_is_refused(folder):
    (folder / "extra.bin").write_bytes(b"x")
    with pytest.raises(ModelError, match=r"extra\.bin: not named"):
        open_package(folder)


def test_manifest_cannot_reach_outside_its_folder(folder):
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["files"]["../secret"] = {"sha256": "0", "bytes": 0}
    (folder / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(ModelError, match="leaves the package"):
        open_package(folder)


@pytest.mark.parametrize("text", ["not json", "[]", '{"name": "x"}'])
def test_broken_manifest_is_refused(folder, text):
    (folder / MANIFEST).write_text(text)
    with pytest.raises(ModelError, match=r"manifest\.json"):
        open_package(folder)
