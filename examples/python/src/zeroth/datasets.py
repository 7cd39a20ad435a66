"""Datasets as a program sees them, and what is sent to store one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from . import wire
from .checks import array as to_ndarray
from .checks import function, named, shown, whole
from .tensors import Array, data_type, to_bytes

Progress = Callable[[int, int], None]
"""Called with bytes sent and bytes in all."""


@dataclass(frozen=True)
class Dataset:
    """Named tensors with a common first dimension, which the server has.

    `dataset[rows]` is a batch of some rows: `dataset[0:16]`, `dataset[[3, 1, 4]]`; of all of them the dataset itself.

    Attributes:
        name: "datasets/" and the SHA-256 of the content.
        rows: the first dimension.
        shapes: by name, the first dimension included.
        bytes: of all tensors.
        existed: whether the same content was there before it was sent.
    """

    name: str
    rows: int
    shapes: Mapping[str, tuple[int, ...]]
    bytes: int
    existed: bool = False

    @staticmethod
    def of(message: wire.Dataset, *, existed: bool = False) -> Dataset:
        shapes = {tensor.name: tuple(tensor.shape) for tensor in message.tensors}
        return Dataset(message.name, message.rows, shapes, message.bytes, existed)

    def __len__(self) -> int:
        return self.rows

    def __getitem__(self, rows: slice | npt.ArrayLike) -> wire.Batch:
        if isinstance(rows, slice):
            start, stop, step = _indices(rows, self.rows)
            if step == 1:
                chosen = wire.DatasetBatch(dataset=self.name, range=wire.RowRange(start=start, end=max(start, stop)))
                return wire.Batch(dataset=chosen)
            rows = range(start, stop, step)
        chosen = wire.DatasetBatch(dataset=self.name, rows=wire.RowIndices(indices=rows_of(rows)))
        return wire.Batch(dataset=chosen)


def _indices(rows: slice, count: int) -> tuple[int, int, int]:
    try:
        return rows.indices(count)
    except TypeError:
        raise TypeError(f"rows: expected whole numbers, got {shown(rows)}") from None


def upload(tensors: Mapping[str, npt.ArrayLike], chunk_bytes: int, progress: Progress | None) -> Iterator[wire.CreateDatasetRequest]:
    """Header, chunks, and a commit: the end of the stream alone stores nothing.

    Raises TypeError here where zeroth.v1 has no such type: gRPC, which asks for them, would say that something is wrong.
    """
    if whole("chunk_bytes", chunk_bytes) < 1:
        raise ValueError(f"chunk_bytes: expected at least 1, got {chunk_bytes}")
    if progress is not None:
        function("progress", progress)
    given = named("tensors", "arrays by name", tensors)
    arrays: dict[str, Array] = {name: to_ndarray(f'tensors["{name}"]', values) for name, values in given.items()}
    specs = [wire.TensorSpec(name=name, data_type=data_type(array, f'tensors["{name}"]'), shape=array.shape) for name, array in arrays.items()]
    return _requests(arrays, specs, chunk_bytes, progress)


def _requests(
    arrays: Mapping[str, Array], specs: list[wire.TensorSpec], chunk_bytes: int, progress: Progress | None
) -> Iterator[wire.CreateDatasetRequest]:
    total = sum(array.nbytes for array in arrays.values())
    yield wire.CreateDatasetRequest(header=wire.DatasetHeader(tensors=specs))
    sent = 0
    for name, array in arrays.items():
        data = memoryview(to_bytes(array))
        for start in range(0, len(data), chunk_bytes):
            piece = bytes(data[start : start + chunk_bytes])
            yield wire.CreateDatasetRequest(chunk=wire.DatasetChunk(tensor=name, data=piece))
            sent += len(piece)
            if progress is not None:
                progress(sent, total)
    yield wire.CreateDatasetRequest(commit=wire.DatasetCommit())


def rows_of(indices: npt.ArrayLike) -> list[int]:
    """Of one row, or a list of them. Raises TypeError where they are not whole numbers."""
    rows = to_ndarray("rows", indices)
    if rows.size and rows.dtype.kind not in "iu":
        raise TypeError(f"rows: expected whole numbers, got {shown(indices) if rows.dtype.kind == 'O' else rows.dtype}")
    if rows.ndim > 1:
        raise TypeError(f"rows: expected a list of whole numbers, got {shown(rows)}")
    return [int(row) for row in rows.ravel()]
