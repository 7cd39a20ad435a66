"""Philox4x32-10, a counter-based hash (noise/1, "Hash"; Salmon et al., SC'11; Random123 constants), over arrays of counters."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint32]
_Wide = npt.NDArray[np.uint64]

_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_MULTIPLIER_0 = np.uint64(0xD2511F53)
_MULTIPLIER_1 = np.uint64(0xCD9E8D57)
_WEYL_0 = 0x9E3779B9
_WEYL_1 = 0xBB67AE85
_ROUNDS = 10


def philox(counter: tuple[npt.ArrayLike, npt.ArrayLike, npt.ArrayLike, npt.ArrayLike], key: tuple[npt.ArrayLike, npt.ArrayLike]) -> Words:
    """Four words for each counter and key, which are broadcast against each other: uint32 [..., 4].

    Words are kept in 64 bits, where a product of two of them has room.
    """
    c0, c1, c2, c3 = (np.asarray(word, np.uint64) for word in counter)
    k0, k1 = (np.asarray(word, np.uint64) for word in key)
    for bump in range(_ROUNDS):
        low: _Wide = _MULTIPLIER_0 * c0
        high: _Wide = _MULTIPLIER_1 * c2
        c0 = (high >> _HALF) ^ c1 ^ ((k0 + np.uint64(bump * _WEYL_0 & 0xFFFFFFFF)) & _LOW)
        c2 = (low >> _HALF) ^ c3 ^ ((k1 + np.uint64(bump * _WEYL_1 & 0xFFFFFFFF)) & _LOW)
        c1 = high & _LOW
        c3 = low & _LOW
    return np.stack(np.broadcast_arrays(c0, c1, c2, c3), axis=-1).astype(np.uint32)
