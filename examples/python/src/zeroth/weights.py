"""Weights that come in pieces, into arrays of the model's shapes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from . import wire
from .errors import ZerothError

Weights: TypeAlias = dict[str, npt.NDArray[np.float32]]


class WeightsReader:
    """Takes pieces into arrays that have their size from the start, so that nothing is there twice."""

    def __init__(self, trainable: Iterable[wire.Parameter]) -> None:
        self._shapes: Mapping[str, tuple[int, ...]] = {each.name: tuple(each.shape) for each in trainable}
        self._raw: dict[str, npt.NDArray[np.uint8]] = {}
        self._filled: dict[str, int] = {}

    def take(self, piece: wire.ReadWeightsResponse) -> None:
        name = piece.parameter
        if name not in self._raw:
            elements = int(np.prod(self._shapes[name], dtype=np.int64))
            self._raw[name] = np.empty(4 * elements, np.uint8)
            self._filled[name] = 0
        data = np.frombuffer(piece.data, np.uint8)
        self._raw[name][piece.offset : piece.offset + data.size] = data
        self._filled[name] += data.size

    def weights(self) -> Weights:
        """Raises ZerothError (DATA_LOSS) where a tensor is not all there."""
        for name, raw in self._raw.items():
            if self._filled[name] != raw.size:
                raise ZerothError("DATA_LOSS", f"{name}: expected {raw.size} bytes, got {self._filled[name]}")
        little = np.dtype("<f4")
        return {
            name: raw.view(little).astype(np.float32, copy=False).reshape(self._shapes[name]) for name, raw in self._raw.items()
        }
