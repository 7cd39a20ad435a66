"""What shifts do to weights (noise/1, "Shift"), many at a time and in pieces that stay in the processor's cache."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from .direction import BLOCK, block_words, decode, dithers
from .grid import RANGE, Floats
from .philox import Words
from .table import Table

# Blocks whose weights are moved together: 1 MiB of float32.
_PIECE = 4096

# Hash words that are made together: the calls that make them cost as much for a few as for thousands.
_WORDS = 65536

# Above every |z| of both tables (the Gaussian's largest is 5.5).
_LARGEST = 6.0


class OutOfRange(ArithmeticError):
    """A weight has left the range of its grid, beyond which additions round."""


def steps_per_unit(scale: float, exponent: int) -> np.float32:
    """a = float32(|scale| x 2^-e), the product in float64."""
    with np.errstate(over="ignore"):  # Infinity is out of every range.
        return np.float32(abs(scale) * 2.0**-exponent)


def shift_steps(table: Table, seed: int, scale: float, tensor: int, exponent: int, length: int) -> npt.NDArray[np.float32]:
    """k for every weight of a tensor: how many steps of the grid the shift moves it by."""
    blocks = -(-length // BLOCK)
    into = np.empty((blocks, BLOCK), np.float32)
    _steps(table, steps_per_unit(scale, exponent), block_words([seed], tensor, 0, blocks)[0], into)
    # 0 - k, because -k could be a negative zero.
    return (np.float32(0) - into if scale < 0 else into).ravel()[:length]


def move(values: Floats, table: Table, shifts: Iterable[tuple[int, float]], tensor: int, exponent: int) -> None:
    """Moves one tensor's weights by shifts, in place: w <- w + k q for each.

    Shifts commute, and (seed, -scale) is the inverse of (seed, scale), so those that are there more than once are counted together.

    Args:
        values: float32 [n], contiguous and on the grid of `exponent`.

    Raises:
        OutOfRange: where a weight ends beyond 2^24 steps; the values are then of no use any more.
    """
    times: Counter[tuple[int, float]] = Counter()
    for seed, scale in shifts:
        times[seed, abs(scale)] += 1 if scale > 0 else -1
    net = [(seed, steps_per_unit(scale, exponent), count) for (seed, scale), count in times.items() if count != 0 and scale != 0]
    reach = sum(abs(count) * (float(a) * _LARGEST + 1) for _, a, count in net)
    for start in range(0, values.size, _PIECE * BLOCK):
        piece = values[start : start + _PIECE * BLOCK]
        piece[:] = _moved(piece, table, net, reach, (tensor, start // BLOCK, exponent))


def _moved(values: Floats, table: Table, net: list[tuple[int, np.float32, int]], reach: float, place: tuple[int, int, int]) -> Floats:
    """In steps, whole numbers: float32 adds them exactly where none can pass 2^24 on the way, and float64 always."""
    tensor, first, exponent = place
    blocks = -(-values.size // BLOCK)
    steps = np.zeros((blocks, BLOCK), np.float32)
    steps.ravel()[: values.size] = values * np.float32(2.0**-exponent)
    is_near = reach + float(np.abs(steps).max(initial=0)) < RANGE
    total = steps if is_near else steps.astype(np.float64)
    k = np.empty_like(steps)
    together = max(1, _WORDS // max(blocks, 4))
    for at in range(0, len(net), together):
        group = net[at : at + together]
        for words, (_, a, count) in zip(block_words([seed for seed, _, _ in group], tensor, first, blocks), group):
            _steps(table, a, words, k)
            if count == 1:
                total += k
            elif count == -1:
                total -= k
            else:
                total += k * total.dtype.type(count)
    end = total.ravel()[: values.size]
    if not np.abs(end).max(initial=0) < RANGE:
        raise OutOfRange(f"tensor {tensor}: a weight leaves the range of its grid, 2^{exponent + 24}")
    return (end * total.dtype.type(2.0**exponent)).astype(np.float32, copy=False)


def _steps(table: Table, a: np.float32, words: Words, into: Floats) -> None:
    """floor(float32(float32(a z) + u)): numpy rounds each operation to float32, and never fuses two."""
    draw = decode(words)
    np.take(table, draw.row, axis=0, out=into, mode="clip")
    into *= np.where(draw.is_negative, -a, a)[:, np.newaxis]
    into += dithers(words)[:, np.newaxis]
    np.floor(into, out=into)
