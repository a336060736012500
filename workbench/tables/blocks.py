"""One block of rows as bytes: the leaf of a table digest (`docs/table-digest.md`).

A block is the number of its rows (unsigned 32-bit little-endian), then, for each column in
contract order, a validity bitmap (bit i of byte i // 8, least significant first, is 1 where row i
has a value; unused bits are 0) and the values. Empty values count as 0, or as text of length 0.

    date     int32, days since 1970-01-01          number   float64; -0.0 as 0.0, one NaN
    time     int64, microseconds since 1970, UTC   boolean  uint8, 0 or 1
    integer  int64                                 text     uint32 lengths in bytes, then UTF-8
"""

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from workbench.contracts.schema import Column, Type

BLOCK_ROWS: Final = 4_096
BATCH_ROWS: Final = 30 * BLOCK_ROWS

ARROW_TYPES: Final[dict[Type, Any]] = {
    "text": pa.string(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "time": pa.timestamp("us"),
}
_WIDTHS: Final[dict[Type, str]] = {
    "integer": "<i8",
    "number": "<f8",
    "boolean": "|u1",
    "date": "<i4",
    "time": "<i8",
}
_EPOCH: Final = datetime(1970, 1, 1)

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class _Fixed:
    bitmap: Array
    values: Array

    def pieces(self, start: int, stop: int) -> tuple[Any, ...]:
        return self.bitmap[start // 8 : -(-stop // 8)], self.values[start:stop]


@dataclass(frozen=True)
class _Text:
    bitmap: Array
    offsets: Array
    lengths: Array
    data: memoryview

    def pieces(self, start: int, stop: int) -> tuple[Any, ...]:
        text = self.data[self.offsets[start] : self.offsets[stop]]
        return self.bitmap[start // 8 : -(-stop // 8)], self.lengths[start:stop], text


def encoded_blocks(batches: Iterable[pa.RecordBatch], columns: Sequence[Column]) -> Iterator[bytes]:
    """Bytes of each block of 4,096 rows, in order; the last block may be shorter.

    Args:
        batches: Rows in key order, with at least `columns`, of any batch sizes.
        columns: What to encode, in this order.
    """
    for batch in aligned(batches):
        encoded = [_encode(batch.column(column.name), column.type) for column in columns]
        for start in range(0, batch.num_rows, BLOCK_ROWS):
            stop = min(start + BLOCK_ROWS, batch.num_rows)
            pieces = [piece for column in encoded for piece in column.pieces(start, stop)]
            yield b"".join([struct.pack("<I", stop - start), *pieces])


def aligned(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The same rows in batches of a multiple of 4,096 rows, except the last."""
    waiting: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        if not waiting and batch.num_rows % BLOCK_ROWS == 0:
            yield batch
            continue
        waiting.append(batch)
        rows += batch.num_rows
        if rows >= BATCH_ROWS:
            joined = _joined(waiting)
            whole = rows - rows % BLOCK_ROWS
            yield joined.slice(0, whole)
            waiting, rows = [joined.slice(whole)], rows - whole
    if rows:
        yield _joined(waiting)


def _joined(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    return pa.concat_batches(batches)


def _encode(values: pa.Array, kind: Type) -> _Fixed | _Text:
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    values = values.cast(ARROW_TYPES[kind])
    bitmap = np.packbits(np.asarray(values.is_valid()), bitorder="little")
    if kind == "text":
        return _encode_text(values, bitmap)
    return _Fixed(bitmap, _fixed_values(values, kind))


def _fixed_values(values: pa.Array, kind: Type) -> Array:
    if kind == "boolean":
        numbers = values.cast(pa.uint8())
    elif kind == "date":
        numbers = values.cast(pa.int32())
    elif kind == "time":
        numbers = values.cast(pa.int64())
    else:
        numbers = values
    if numbers.null_count:
        numbers = numbers.fill_null(0)
    plain: Array = numbers.to_numpy(zero_copy_only=False).astype(_WIDTHS[kind], copy=False)
    if kind != "number":
        return np.ascontiguousarray(plain)
    plain = plain + 0.0  # IEEE 754: -0.0 + 0.0 is 0.0
    plain[np.isnan(plain)] = np.nan
    return plain


def _encode_text(values: pa.Array, bitmap: Array) -> _Text:
    if values.null_count:
        values = pc.fill_null(values, "")
    _, offset_buffer, data = values.buffers()
    offsets = np.frombuffer(offset_buffer, dtype="<i4")
    offsets = offsets[values.offset : values.offset + len(values) + 1]
    lengths = np.diff(offsets).astype("<u4", copy=False)
    return _Text(
        bitmap, offsets, lengths, memoryview(data) if data is not None else memoryview(b"")
    )


def decoded_row(block: bytes, row: int, columns: Sequence[Column]) -> dict[str, Any]:
    """Values of one row of a block, read without Arrow; None where there is no value.

    Args:
        block: Bytes as `encoded_blocks` makes them.
        row: Zero-based within the block.
        columns: The columns that were encoded, in the same order.

    Raises:
        ValueError: The bytes are not a block of these columns, or it has no such row.
    """
    try:
        (rows,) = struct.unpack_from("<I", block, 0)
        if not 0 <= row < rows:
            raise ValueError(f"row {row} of a block of {rows} rows")
        values, position = {}, 4
        for column in columns:
            values[column.name], position = _decoded(block, position, rows, row, column.type)
    except struct.error as error:
        raise ValueError(f"block ends early ({error})") from error
    if position != len(block):
        raise ValueError(f"block has {len(block)} bytes, its columns {position}")
    return values


def _decoded(block: bytes, at: int, rows: int, row: int, kind: Type) -> tuple[Any, int]:
    """Value of one row in the column that starts at byte `at`, and where the next one starts."""
    (mask,) = struct.unpack_from("B", block, at + row // 8)
    present = bool(mask >> (row % 8) & 1)
    start = at + -(-rows // 8)
    if kind == "text":
        lengths = struct.unpack_from(f"<{rows}I", block, start)
        first = start + 4 * rows + sum(lengths[:row])
        text = block[first : first + lengths[row]].decode("utf-8")
        return (text if present else None), start + 4 * rows + sum(lengths)
    code = {"integer": "q", "number": "d", "boolean": "B", "date": "i", "time": "q"}[kind]
    width = struct.calcsize("<" + code)
    (raw,) = struct.unpack_from("<" + code, block, start + row * width)
    return (_meaning(raw, kind) if present else None), start + rows * width


def _meaning(raw: Any, kind: Type) -> Any:
    if kind == "date":
        return date.fromordinal(date(1970, 1, 1).toordinal() + raw)
    if kind == "time":
        return _EPOCH + timedelta(microseconds=raw)
    return bool(raw) if kind == "boolean" else raw
