"""Search spaces and trials of studies, as a program writes them and as messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from . import wire
from .points import Shift, to_seed

ParameterRange: TypeAlias = "wire.FloatRange | wire.IntegerRange | Sequence[str]"
Space: TypeAlias = "Mapping[str, ParameterRange] | Sequence[float] | npt.NDArray[np.float64]"
Parameters: TypeAlias = "dict[str, float | int | str]"
OptionLike: TypeAlias = "float | bool | str"
StudyPoint: TypeAlias = "Parameters | npt.NDArray[np.float64] | SeedPoint"
Noise: TypeAlias = "float | Literal['unknown']"


def floats(low: float, high: float, *, log: bool = False, step: float | None = None, start: float | None = None) -> wire.FloatRange:
    """Numbers from low to high, both in it; with `log` equal ratios are equally far. The search begins at `start`, or in the middle."""
    return wire.FloatRange(min=low, max=high, scale=_scale(log), step=step, start=start)


def integers(low: int, high: int, *, log: bool = False, start: int | None = None) -> wire.IntegerRange:
    """Whole numbers from low to high, both in it."""
    return wire.IntegerRange(min=low, max=high, scale=_scale(log), start=start)


def _scale(log: bool) -> wire.RangeScale.ValueType:
    return wire.RANGE_SCALE_LOG if log else wire.RANGE_SCALE_LINEAR


@dataclass(frozen=True)
class SeedPoint:
    """Of the seed form: the vector behind `revision` updates, and shifts on top of it."""

    revision: int
    shifts: tuple[Shift, ...]


@dataclass(frozen=True)
class Trial:
    """A point of a study to evaluate, or one that was.

    Attributes:
        number: 1 for the first.
        point: parameters by name, a float64 vector, or a SeedPoint.
        value: None where there is none (yet).
        state: "OPEN", "TOLD", "INFEASIBLE".
        reason: why there is no value, of an infeasible one.
    """

    number: int
    point: StudyPoint
    value: float | None
    state: str
    reason: str

    @staticmethod
    def of(message: wire.Trial, plan: wire.StudyPlan) -> Trial:
        return Trial(
            number=message.number,
            point=_to_point(message.point, plan),
            value=message.value if message.HasField("value") else None,
            state=wire.TrialState.Name(message.state).removeprefix("TRIAL_STATE_"),
            reason=message.reason,
        )


@dataclass(frozen=True)
class Estimate:
    """What there is instead of a best trial where values are noisy.

    Attributes:
        point: where the optimum is expected; nobody has evaluated it.
        value: a mean of values of the points that it was learned from, which lie around it: somewhat worse than its own.
        standard_error: how far off the mean may be.
        points: how many there were.
        evaluations: and values of them.
    """

    point: StudyPoint
    value: float
    standard_error: float
    points: int
    evaluations: int

    @staticmethod
    def of(message: wire.StudyEstimate, plan: wire.StudyPlan) -> Estimate:
        return Estimate(_to_point(message.point, plan), message.value, message.standard_error, message.points, message.evaluations)


def _to_point(point: wire.TrialPoint, plan: wire.StudyPlan) -> StudyPoint:
    if point.HasField("coordinates"):
        return np.array(point.coordinates.values, np.float64)
    if point.HasField("seed"):
        return SeedPoint(point.seed.revision, tuple(Shift(shift.seed, shift.scale) for shift in point.seed.shifts))
    # The wire has one kind of number; programs want to count with the whole ones.
    whole = {each.name for each in plan.vector.box.parameters if each.HasField("integer")}
    found: Parameters = {}
    for name, value in point.parameters.values.items():
        if value.HasField("category"):
            found[name] = value.category
        else:
            found[name] = int(value.number) if name in whole else value.number
    return found


def study_plan(
    space: Space,
    optimizer: str,
    options: Mapping[str, OptionLike],
    *,
    scale: float | None,
    direction: str,
    trials: int,
    target: float | None,
    noise: Noise | None,
) -> wire.StudyPlan:
    vector = wire.VectorForm(optimizer=wire.OptimizerChoice(name=optimizer, options={name: _to_option(name, of) for name, of in options.items()}))
    if isinstance(space, Mapping):
        vector.box.parameters.extend(_to_parameter(name, of) for name, of in space.items())
    else:
        vector.free.CopyFrom(wire.FreeSpace(start=[float(each) for each in space], scale=scale))
    return wire.StudyPlan(direction=_direction(direction), vector=vector, trials=trials, target=target, noise=_to_noise(noise))


def seed_plan(dimensions: int, strategy: wire.Strategy, *, table: str, direction: str, trials: int, target: float | None) -> wire.StudyPlan:
    seed = wire.SeedForm(dimensions=dimensions, table=wire.NoiseTable.Value(f"NOISE_TABLE_{table.upper()}"), strategy=strategy)
    return wire.StudyPlan(direction=_direction(direction), seed=seed, trials=trials, target=target)


def _to_noise(noise: Noise | None) -> wire.StudyNoise | None:
    """Raises ValueError for another text, and for True, which would be a deviation of 1."""
    if noise is None:
        return None
    if noise == "unknown":
        return wire.StudyNoise()
    if isinstance(noise, (bool, str)):
        raise ValueError(f"noise: expected a standard deviation or 'unknown', got {noise!r}")
    return wire.StudyNoise(deviation=noise)


def _direction(direction: str) -> wire.StudyDirection.ValueType:
    return wire.StudyDirection.Value(f"STUDY_DIRECTION_{direction.upper()}")


def _to_parameter(name: str, of: ParameterRange) -> wire.SpaceParameter:
    if isinstance(of, wire.FloatRange):
        return wire.SpaceParameter(name=name, float=of)
    if isinstance(of, wire.IntegerRange):
        return wire.SpaceParameter(name=name, integer=of)
    return wire.SpaceParameter(name=name, category=wire.CategoryRange(choices=list(of)))


def _to_option(name: str, value: OptionLike) -> wire.OptionValue:
    if isinstance(value, bool):
        return wire.OptionValue(flag=value)
    if isinstance(value, str):
        return wire.OptionValue(text=value)
    # A seed needs all of its 64 bits.
    return wire.OptionValue(seed=to_seed(int(value))) if name == "seed" else wire.OptionValue(number=value)
