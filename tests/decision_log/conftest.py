"""Logs in memory and in folders, and the records that fill them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread

import pytest

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
