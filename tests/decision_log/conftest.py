"""Logs in memory and in folders, and the records that fill them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from threading import Thread

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from workbench.contracts.records import DecisionRecord
from workbench.decision_log.append import DecisionLog
from workbench.decision_log.index import LogIndex
from workbench.decision_log.note import Signer, generate_signer
from workbench.decision_log.serving import LogServer
from workbench.decision_log.storage import FolderStorage, MemoryStorage, Storage

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
IN_MEMORY = Path(":memory:")


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
