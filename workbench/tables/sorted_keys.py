"""Finds repeated keys in rows that are sorted by key, where equal keys are neighbours."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from workbench.contracts.schema import TableContract


class RepeatedKeys:
    """Counts rows whose key equals that of the row before, while batches pass through.

    Attributes:
        count: Rows so far that repeat a key.
        first: Key of the first of them.
    """

    def __init__(self, contract: TableContract) -> None:
        self.count = 0
        self.first: dict[str, Any] | None = None
        self._key = contract.key
        text = [name for name in self._key if contract.column(name).type == "text"]
        self._cheapest_first = [name for name in self._key if name not in text] + text
        self._last: dict[str, Any] | None = None

    def watch(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The same batches, each looked at on its way."""
        for batch in batches:
            if batch.num_rows:
                self._look_at(batch)
            yield batch

    def _look_at(self, batch: pa.RecordBatch) -> None:
        if self._last == self._values(batch, 0):
            self._note(1, self._last)
        repeats = self._repeats(batch)
        if len(repeats):
            self._note(len(repeats), self._values(batch, int(repeats[0])))
        self._last = self._values(batch, batch.num_rows - 1)

    def _repeats(self, batch: pa.RecordBatch) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Positions of rows equal in every key column to the row before; narrowed by column."""
        rows = np.arange(1, batch.num_rows)
        for name in self._cheapest_first:
            if not len(rows):
                break
            values = batch.column(name)
            same = pc.equal(values.take(pa.array(rows)), values.take(pa.array(rows - 1)))
            rows = rows[np.asarray(same)]
        return rows

    def _values(self, batch: pa.RecordBatch, row: int) -> dict[str, Any]:
        return {name: batch.column(name)[row].as_py() for name in self._key}

    def _note(self, count: int, key: dict[str, Any] | None) -> None:
        self.count += count
        self.first = self.first or key
