"""What z(seed) means (noise/1, "Direction")."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .philox import Words, philox
from .table import COLUMNS, ROWS, Table

BLOCK = COLUMNS
"""Weights that share a table row, a sign and a dither."""


class Draw(NamedTuple):
    """What the hash words of blocks say, in arrays of the words' shape."""

    row: npt.NDArray[np.intp]
    dither: npt.NDArray[np.uint32]
    """0 to 65535: which part of a step rounds up in this block."""
    is_negative: npt.NDArray[np.bool_]


def block_words(seeds: Sequence[int], tensor: int, first: int, count: int) -> Words:
    """The hash word of each of `count` blocks from `first` on, for each seed: uint32 [seeds, count]."""
    start, end = first // 4, -(-(first + count) // 4)
    counters = np.arange(start, end, dtype=np.uint64)
    low, high = counters & np.uint64(0xFFFFFFFF), counters >> np.uint64(32)
    keys = np.array(seeds, np.uint64).reshape(-1, 1)
    words = philox((low, high, tensor, 0), (keys & np.uint64(0xFFFFFFFF), keys >> np.uint64(32)))
    return words.reshape(len(seeds), -1)[:, first - 4 * start :][:, :count]


def decode(words: Words) -> Draw:
    """Row in bits 0-13, dither in bits 14-29, sign in bit 31."""
    row = (words % np.uint32(ROWS)).astype(np.intp)
    return Draw(row, (words >> np.uint32(14)) & np.uint32(0xFFFF), words >> np.uint32(31) == 1)


def dithers(words: Words) -> npt.NDArray[np.float32]:
    """u = (d + 0.5) / 65536, exact in float32."""
    return ((decode(words).dither.astype(np.float64) + 0.5) / 65536).astype(np.float32)


def direction(table: Table, seed: int, tensor: int, length: int) -> npt.NDArray[np.float32]:
    """z(seed, tensor, i) for i < length; the last block uses the leading columns."""
    draw = decode(block_words([seed], tensor, 0, -(-length // BLOCK))[0])
    z = table[draw.row]
    z[draw.is_negative] *= np.float32(-1)
    return z.ravel()[:length]
