"""Logs in memory, in folders and in a workspace, and the records that fill them."""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from threading import Thread

import pandas as pd
import pytest
import typer
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from typer.testing import CliRunner

from workbench.commands import trace as trace_command
from workbench.contracts.records import DecisionRecord, ModelReference, RowEvidence
from workbench.decision_log.append import DecisionLog, open_log
from workbench.decision_log.index import LogIndex
from workbench.decision_log.note import Signer, generate_signer
from workbench.decision_log.serving import LogServer
from workbench.decision_log.storage import FolderStorage, MemoryStorage, Storage
from workbench.tables.store import TableStore
from workbench.workspace import open_workspace

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
IN_MEMORY = Path(":memory:")
RUN = "01920000-0000-7000-8000-000000000001"


@dataclass
class Logs:
    """Opens logs of one key; every opening is a new writer with a new index in memory."""

    signer: Signer

    @property
    def key(self) -> str:
        return self.signer.verifier.encode()

    def open(self, storage: Storage) -> DecisionLog:
        return DecisionLog(storage, self.signer, LogIndex(IN_MEMORY))

    def open_folder(self, folder: Path, patience: float = 0.0) -> DecisionLog:
        storage = FolderStorage(folder / "log", patience=patience)
        return DecisionLog(storage, self.signer, LogIndex(folder / "index.sqlite"))

    def record(self, number: int, **changes) -> DecisionRecord:
        fields = {"id": f"d{number}", "kind": "proposal", "recorded_at": NOW, "actor": "test"}
        return DecisionRecord(**{**fields, "role": "runner", "quantity": 0.5, **changes})

    def records(self, start: int, end: int) -> list[DecisionRecord]:
        return [self.record(number) for number in range(start, end)]

    def filled(self, size: int, batch: int = 97) -> tuple[MemoryStorage, DecisionLog]:
        storage = MemoryStorage()
        log = self.open(storage)
        for start in range(0, size, batch):
            log.append(self.records(start, min(size, start + batch)))
        return storage, log


@pytest.fixture
def serving() -> Iterator[Callable[[LogServer], str]]:
    """Runs servers in threads until the test ends; gives their URLs."""
    running: list[LogServer] = []

    def start(server: LogServer) -> str:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        running.append(server)
        return server.url

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


@pytest.fixture
def logs() -> Logs:
    return Logs(generate_signer("example.com/log"))


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A self-signed certificate of this machine's loopback address."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    address = x509.IPAddress(ip_address("127.0.0.1"))
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = tmp_path / "server.pem", tmp_path / "server.key"
    paths[0].write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    paths[1].write_bytes(key.private_bytes(encoding, form, serialization.NoEncryption()))
    return paths


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    root = tmp_path / "shop"
    root.mkdir()
    (root / "workbench.toml").write_text('[workspace]\nname = "shop"\n')
    monkeypatch.setenv("WORKBENCH_WORKSPACE", str(root))
    monkeypatch.setenv("WORKBENCH_KEYS", str(tmp_path / "keys"))
    return open_workspace(root)


@pytest.fixture
def filled(workspace, logs):
    """Two decisions at the centre, one overridden; an order line at a store on 2018-01-03."""
    store = TableStore(workspace.tables)
    _write_tables(store)
    stock = store.current("stock")
    proposal = logs.record(
        1, item_id="I1", location_id="DC1", valid_from=date(2018, 1, 1),
        valid_to=date(2018, 1, 8), as_of=date(2017, 12, 31), run_ids=(RUN, "gone"), unit="EA",
        models=(ModelReference("lgbm", "1", "b" * 64),), inputs={"stock": stock.digest},
        evidence=(
            RowEvidence("stock", stock.digest, 0, 1), RowEvidence("stock", "0" * 64, 0, 0),
        ),
        reasons=("Demand rose [12%]",), simulated=True, interval_low=1.0, interval_high=9.0,
        interval_level=0.8, before=2.0, money_at_stake=12.5, currency="USD",
        rule="built-in/manual", tier="manual", policy_digest="c" * 64,
        detail={"proposal": "replenishment", "interval_of": "demand"},
    )  # fmt: skip
    override = logs.record(2, kind="override", supersedes="d1", after=7.0, reason_code="promotion")
    open_log(workspace).append([proposal, override, logs.record(3, item_id="I2")])
    report = workspace.reports / "30-set-policy" / "2017-12-31" / RUN
    report.mkdir(parents=True)
    manifest = {"run_id": RUN, "notebook": "30-set-policy", "as_of": "2017-12-31"}
    manifest |= {"headline": "Simulated saving 3%", "parameters": {"horizon": 28}}
    manifest["inputs"] = {"stock": {"version": stock.version, "digest": stock.digest}}
    (report / "figure.json").write_text("{}")
    manifest["artefacts"] = {"figure.json": hashlib.sha256(b"{}").hexdigest()}
    (report / "run.json").write_text(json.dumps(manifest))
    (report / "report.html").write_text("<p>Simulated saving 3%</p>")
    _complete(workspace, report)
    return workspace


def _complete(workspace, report):
    """The COMPLETE event of the run, as the runner writes it."""
    from workbench.lineage.journal import Journal
    from workbench.lineage.lifecycle import RunLineage
    from workbench.runs.files import file_version

    lineage = RunLineage(
        Journal(workspace.lineage), workspace_id="shop-1", job="30-set-policy", run_id=RUN
    )
    lineage.start([], {})
    files = [report / "run.json", report / "report.html"]
    lineage.complete([], files=[file_version(workspace, path) for path in files])


def _write_tables(store):
    day = pd.Timestamp("2018-01-03")
    frames = {
        "order_lines": {
            "order_id": "O'1", "line": [1, 2], "item_id": ["I1", "I9"], "location_id": "S1",
            "date": day, "quantity": 1.0, "price": 2.0,
        },
        "locations": {"location_id": ["S1", "DC1"], "kind": ["store", "dc"]},
        "stock": {
            "item_id": "I1", "location_id": ["DC1", "S1"], "date": day, "on_hand": 1.0,
            "on_order": 0.0,
        },
    }  # fmt: skip
    for table, columns in frames.items():
        store.write(table, pd.DataFrame(columns), provenance="simulated", source="test")


@pytest.fixture
def trace():
    """Calls `workbench trace`; errors that the command line would print are raised."""
    app = typer.Typer()
    app.command()(trace_command.trace)

    def call(*arguments):
        result = CliRunner().invoke(app, list(arguments), catch_exceptions=True)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return call


@pytest.fixture
def facts(trace):
    """What `workbench trace --json` prints, parsed."""
    return lambda *arguments: json.loads(trace(*arguments, "--json").output)
