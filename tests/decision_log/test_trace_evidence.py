"""What `workbench trace` says where evidence is false or missing."""

import hashlib
import json
import shutil

import pandas as pd
import pytest

from workbench.contracts.records import ModelReference, RowEvidence
from workbench.decision_log.append import open_log
from workbench.errors import LogError
from workbench.tables.store import TableStore

DECISION = ("--decision", "d1")


def _stock(workspace):
    return TableStore(workspace.tables).current("stock")


def _with_another_value(version):
    """A value of the table changed, as its Parquet file, checksums and block hashes tell it."""
    from workbench.tables.digest import digest
    from workbench.tables.versions import LEAVES, contract_of

    path = version.path / version.files[0].name
    pd.read_parquet(path).assign(on_hand=999.0).to_parquet(path, index=False)
    import pyarrow.parquet as pq

    contract = contract_of(version)
    leaves = digest(pq.read_table(path).to_batches(), contract.columns)
    (version.path / LEAVES).write_bytes(b"".join(leaves.leaves))
    manifest = json.loads((version.path / "manifest.json").read_text())
    data = path.read_bytes()
    manifest["files"][0] |= {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    manifest["leaves_sha256"] = hashlib.sha256(b"".join(leaves.leaves)).hexdigest()
    return manifest, leaves.root


@pytest.mark.parametrize("with_digest", [False, True])
def test_falsified_rows_are_named_and_exit_with_1(filled, trace, with_digest):
    version = _stock(filled)
    manifest, root = _with_another_value(version)
    if with_digest:
        manifest["digest"] = root
    (version.path / "manifest.json").write_text(json.dumps(manifest))
    result = trace(*DECISION)
    assert result.exit_code == 1
    assert "✗ evidence does not hold: rows 0 to 1 of table stock" in result.output.splitlines()[-1]
    assert "✓ every entry above is proven" not in result.output
    found = json.loads(trace(*DECISION, "--json").output)
    assert found["verified"] is False
    assert found["places"][0].startswith("rows 0 to 1 of table stock")


def test_a_table_version_that_is_gone_is_not_checkable_and_not_false(filled, trace):
    shutil.rmtree(_stock(filled).path)
    result = trace(*DECISION)
    assert result.exit_code == 0
    assert "not checkable here: rows 0 to 1 of table stock" in result.output
    assert json.loads(trace(*DECISION, "--json").output)["verified"] is True


def test_rows_that_the_version_does_not_have_are_false(filled, trace, logs):
    beyond = RowEvidence("stock", _stock(filled).digest, 0, 2)
    open_log(filled).append([logs.record(8, evidence=(beyond,))])
    result = trace("--decision", "d8")
    assert result.exit_code == 1
    assert "the version has 2 rows" in result.output


def _logged_model(workspace, logs, version="1"):
    digest = hashlib.sha256(b"trees").hexdigest()
    model = ModelReference("trees.txt", version, digest)
    open_log(workspace).append([logs.record(7, models=(model,))])
    return digest


def _keep(path, data=b"trees"):
    path.parent.mkdir(parents=True)
    path.write_bytes(data)
    return path


def test_a_kept_model_is_hashed(filled, trace, facts, logs):
    kept = _keep(filled.models / "trees.txt" / _logged_model(filled, logs))
    (model,) = facts("--decision", "d7")["decisions"][0]["models"]
    assert (model["state"], model["path"]) == ("proven", kept.relative_to(filled.root).as_posix())
    kept.write_bytes(b"other")
    result = trace("--decision", "d7")
    assert result.exit_code == 1
    assert "✗ evidence does not hold: model trees.txt version 1" in result.output


def test_a_model_that_is_not_here_is_not_false(filled, trace, logs):
    _logged_model(filled, logs)
    result = trace("--decision", "d7")
    assert result.exit_code == 0
    assert "not checkable: not here" in result.output


def test_the_copy_in_the_report_of_the_training_run_counts(filled, trace, facts, logs):
    _logged_model(filled, logs, version="run-7")
    copy = _keep(filled.reports / "10-forecast" / "2017-12-31" / "run-7" / "models" / "trees.txt")
    assert facts("--decision", "d7")["decisions"][0]["models"][0]["state"] == "proven"
    copy.write_bytes(b"other")
    assert trace("--decision", "d7").exit_code == 1


def test_the_model_of_a_package_is_hashed(filled, trace, facts, logs):
    from workbench.edge.package import describe_package

    _logged_model(filled, logs)
    model = _keep(filled.edge_models / "trees.txt" / "1" / "model.onnx")
    named = {"name": "trees.txt", "version": "1", "model": "model.onnx", "task": "count"}
    (model.parent / "manifest.json").write_text(describe_package(model.parent, named))
    assert facts("--decision", "d7")["decisions"][0]["models"][0]["state"] == "proven"
    model.write_bytes(b"other")
    assert trace("--decision", "d7").exit_code == 1


def _report(workspace):
    return next(workspace.reports.glob("*/*/*/run.json")).parent


@pytest.mark.parametrize("name", ["run.json", "report.html", "figure.json"])
def test_an_altered_report_is_named_and_its_words_are_not_shown(filled, trace, name):
    assert trace(*DECISION).exit_code == 0
    path = _report(filled) / name
    path.write_text(path.read_text().replace("3%", "9%") + " ")
    result = trace(*DECISION)
    assert result.exit_code == 1
    assert f"✗ {name} was altered" in result.output
    assert "Simulated saving 9%" not in result.output


@pytest.mark.parametrize("text", ["[]", "not JSON", "[" * 100_000])
def test_a_manifest_that_is_none_is_told_in_one_sentence(filled, trace, text):
    path = _report(filled) / "run.json"
    path.write_text(text)
    assert trace(*DECISION).exit_code == 1
    shutil.rmtree(filled.lineage)
    with pytest.raises(LogError, match=r"run\.json: not a run manifest"):
        trace(*DECISION)


def test_without_lineage_a_report_is_not_checkable(filled, trace, facts):
    shutil.rmtree(filled.lineage)
    (run, _) = facts(*DECISION)["decisions"][0]["runs"]
    assert (run["state"], run["headline"]) == ("not checkable", "Simulated saving 3%")
    assert trace(*DECISION).exit_code == 0


def test_the_built_in_policy_can_be_read(filled, trace, logs):
    from workbench.runs.policies import built_in_digest

    open_log(filled).append(
        [logs.record(6, rule="built-in/manual", policy_digest=built_in_digest())]
    )
    output = trace("--decision", "d6").output
    assert "governance/policies/built-in-manual.txt  ✓" in output
    assert "every proposal waits for a person" in output


def test_the_built_in_policy_is_the_one_that_earlier_decisions_name():
    from workbench.runs.policies import built_in_digest

    # SHA-256 of the sentence that the first release recorded
    assert built_in_digest().startswith("9a02b72f5a36")


def test_a_policy_of_the_workspace_is_found_by_its_digest(filled, trace, logs):
    path = filled.root / "governance" / "policies" / "sop.yaml"
    path.parent.mkdir(parents=True)
    path.write_text("tier: automatic")
    digest = hashlib.sha256(b"tier: automatic").hexdigest()
    open_log(filled).append([logs.record(6, policy_digest=digest)])
    assert "governance/policies/sop.yaml  ✓" in trace("--decision", "d6").output
    path.write_text("tier: manual")
    assert "no policy here has that digest" in trace("--decision", "d6").output
