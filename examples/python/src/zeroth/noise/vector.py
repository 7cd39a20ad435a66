"""The vector of a client in a study of the seed form: moved by lists of shifts, so that every client that began with the same values has the
same bits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt

from .. import wire
from ..checks import array, listed, shown
from ..points import to_pairs
from .grid import REGRID, Floats, grid_exponent, largest_magnitude, snap
from .shift import move
from .table import noise_table

# noise/1 numbers tensors; this is the only one.
_TENSOR = 0


class SeedVector:
    """float32 values on the grid of noise/1 that fits their largest magnitude, or 1/4 where that is more: a millionth of it or less from
    what was given.

    Attributes:
        values: float32 [n].
        revision: updates of the study that they are behind.
    """

    def __init__(self, values: npt.ArrayLike, *, table: str = "gaussian", revision: int = 0) -> None:
        given = _floats(values)
        self._exponent = grid_exponent(largest_magnitude(given))
        self._table = noise_table(table)
        self.values = snap(given, self._exponent)
        self.revision = revision

    def apply(self, updates: Iterable[wire.StudyUpdate]) -> None:
        """Those that it has are passed over. Raises ValueError where one is missing before the first that it has not."""
        for update in listed("updates", "a list of updates", updates):
            if not isinstance(update, wire.StudyUpdate):
                raise TypeError(f"updates: expected zeroth.wire.StudyUpdate, got {shown(update)}")
            if update.revision <= self.revision:
                continue
            if update.revision != self.revision + 1:
                raise ValueError(f"updates: expected revision {self.revision + 1}, got {update.revision}")
            self._move(self.values, [(shift.seed, shift.scale) for shift in update.shifts])
            self.revision = update.revision
            self._regrid()

    @contextmanager
    def at(self, shifts: Iterable[tuple[int, float]]) -> Iterator[Floats]:
        """The values with shifts added, for the time of a `with`; OutOfRange where one of them would leave its grid's range."""
        moved = self.values.copy()
        self._move(moved, to_pairs(shifts))
        yield moved

    def _move(self, values: Floats, shifts: Iterable[tuple[int, float]]) -> None:
        move(values, self._table, shifts, _TENSOR, self._exponent)

    def _regrid(self) -> None:
        """As a run does: beyond half the range the grid becomes coarser. A function of the values, so all clients do the same."""
        largest = largest_magnitude(self.values)
        if largest > REGRID * 2.0**self._exponent:
            self._exponent = grid_exponent(largest)
            self.values = snap(self.values, self._exponent)


def _floats(values: npt.ArrayLike) -> Floats:
    """Raises TypeError or ValueError."""
    given = array("values", values)
    if given.dtype.kind not in "fiub":
        raise TypeError(f"values: expected numbers, got {shown(values)}")
    if not np.isfinite(given).all():
        raise ValueError("values: expected finite numbers, got others")
    return given.astype(np.float32).ravel()
