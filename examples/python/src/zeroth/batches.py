"""Which rows of a dataset a mini-batch holds: every epoch is a new shuffle, without replacement, as the server and the other clients shuffle."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from .checks import whole
from .seeds import seed_for

_WORD = 2**32 - 1


def batch_rows(index: int, *, rows: int, batch_size: int, seed: int) -> list[int]:
    """The rows of mini-batch `index` (0, 1, ...). Where `batch_size` does not divide `rows`, the rest of a shuffle sits that epoch out.

    Raises:
        ValueError: where the batch size is not 1 to `rows`.
    """
    if not 1 <= whole("batch_size", batch_size) <= whole("rows", rows):
        raise ValueError(f"batch_size: expected 1 to {rows}, got {batch_size}")
    if whole("index", index) < 0:
        raise ValueError(f"index: expected 0 or more, got {index}")
    epoch, batch = divmod(index, rows // batch_size)
    return list(_shuffle(rows, seed_for(seed, epoch, 0))[batch * batch_size : (batch + 1) * batch_size])


@lru_cache(maxsize=2)
def _shuffle(length: int, seed: int) -> tuple[int, ...]:
    """0 to length - 1 in an order that depends on the seed alone (Fisher-Yates)."""
    order = list(range(length))
    words = _xorshift128(seed)
    for last in range(length - 1, 0, -1):
        other = int(next(words) / 2**32 * (last + 1))
        order[last], order[other] = order[other], order[last]
    return tuple(order)


def _xorshift128(seed: int) -> Iterator[int]:
    """Words of 32 bits (Marsaglia 2003)."""
    first, second = seed_for(seed, 0, 0), seed_for(seed, 0, 1)
    x, y, z, w = first & _WORD, first >> 32, second & _WORD, second >> 32
    while True:
        t = (x ^ x << 11) & _WORD
        x, y, z = y, z, w
        w = w ^ w >> 19 ^ t ^ t >> 8
        yield w
