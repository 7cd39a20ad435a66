"""Seeds of directions, and of anything else that is drawn once a step: splitmix64 (Steele, Lea, Flood, OOPSLA 2014)."""

from __future__ import annotations

from .checks import whole

_MASK = 2**64 - 1
_GOLDEN = 0x9E3779B97F4A7C15
_DIRECTION_BITS = 20


def seed_for(seed: int, step: int, direction: int) -> int:
    """The seed of one direction of one step, as all of Zeroth's strategies draw them: no two (step, direction) share one.

    Args:
        seed: 0 to 2^64 - 1.
        step: counted from 0, below 2^44.
        direction: below 2^20.

    Raises:
        TypeError, ValueError: naming the number, and its range.
    """
    index = whole("step", step, 2**44) << _DIRECTION_BITS | whole("direction", direction, 2**_DIRECTION_BITS)
    return _mix(_mix(whole("seed", seed, 2**64)) + (index + 1) * _GOLDEN)


def _mix(value: int) -> int:
    """The finalizer of splitmix64, a bijection on 64 bits."""
    v = value & _MASK
    v = (v ^ v >> 30) * 0xBF58476D1CE4E5B9 & _MASK
    v = (v ^ v >> 27) * 0x94D049BB133111EB & _MASK
    return v ^ v >> 31
