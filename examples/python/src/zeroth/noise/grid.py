"""Weights are whole multiples of a power of two, so that float32 additions are exact (noise/1, "Grid")."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

# The smallest grid is that of a tensor whose largest magnitude is 2^-2.
_SMALLEST_MAGNITUDE = 2.0**-2

RANGE = 2.0**24
"""In steps: beyond it additions round, and a run fails."""

REGRID = 2.0**23
"""In steps: a tensor with a larger magnitude goes to a coarser grid."""


def grid_exponent(largest_magnitude: float) -> int:
    """e, of the step 2^e: p + 4 - 24 for the smallest integer p with max(m, 2^-2) <= 2^p.

    Raises:
        ValueError: where the magnitude is not a finite number.
    """
    if not math.isfinite(largest_magnitude):
        raise ValueError(f"grid: expected a finite magnitude, got {largest_magnitude}")
    # m = fraction x 2^exponent with 1/2 <= fraction < 1, so that 2^exponent is enough and half of it only for a power of two.
    fraction, exponent = math.frexp(max(largest_magnitude, _SMALLEST_MAGNITUDE))
    return (exponent - 1 if fraction == 0.5 else exponent) + 4 - 24


def largest_magnitude(values: Floats) -> float:
    """0 of no values; NaN where one of them is."""
    if values.size == 0:
        return 0.0
    return float(max(abs(float(values.max())), abs(float(values.min()))))


def snap(values: Floats, exponent: int) -> Floats:
    """floor(w / q + 0.5) q in float64, as new float32; a regrid does the same with a coarser q."""
    steps = np.ldexp(values.astype(np.float64), -exponent)
    return np.ldexp(np.floor(steps + 0.5), exponent).astype(np.float32)
