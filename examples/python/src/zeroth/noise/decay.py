"""What a decay does to weights (docs/journal.md, "decay/1")."""

from __future__ import annotations

import numpy as np

from .direction import BLOCK, block_words, dithers
from .grid import Floats

_PIECE = 4096


def decay(values: Floats, factor: float, seed: int, tensor: int, exponent: int) -> None:
    """Moves every weight of one tensor towards zero, in place, by m = min(k, floor(float32(float32(a k) + u))) of its k steps.

    Args:
        values: float32 [n], contiguous and on the grid of `exponent`.
        factor: above 0 and below 1.
    """
    a, q = np.float32(1 - factor), np.float32(2.0**exponent)
    for start in range(0, values.size, _PIECE * BLOCK):
        piece = values[start : start + _PIECE * BLOCK]
        blocks = -(-piece.size // BLOCK)
        u = np.repeat(dithers(block_words([seed], tensor, start // BLOCK, blocks)[0]), BLOCK)[: piece.size]
        k = np.abs(piece) / q
        m = np.minimum(k, np.floor(a * k + u))
        piece -= np.copysign(m * q, piece)
