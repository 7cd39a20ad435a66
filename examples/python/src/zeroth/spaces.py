"""Search spaces and trials of studies, as a program writes them and as messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from . import wire
from .checks import choice, listed, message, named, number, shown, text, whole
from .points import Shift

ParameterRange: TypeAlias = "wire.FloatRange | wire.IntegerRange | Sequence[str]"
Space: TypeAlias = "Mapping[str, ParameterRange] | Sequence[float] | npt.NDArray[np.float64]"
Parameters: TypeAlias = "dict[str, float | int | str]"
OptionLike: TypeAlias = "float | bool | str"
StudyPoint: TypeAlias = "Parameters | npt.NDArray[np.float64] | SeedPoint"
Noise: TypeAlias = "float | Literal['unknown']"


def floats(low: float, high: float, *, log: bool = False, step: float | None = None, start: float | None = None) -> wire.FloatRange:
    """Numbers from low to high, both in it; with `log` equal ratios are equally far. The search begins at `start`, or in the middle."""
    return message(wire.FloatRange, min=number("low", low), max=number("high", high), scale=_scale(log), step=step, start=start)


def integers(low: int, high: int, *, log: bool = False, start: int | None = None) -> wire.IntegerRange:
    """Whole numbers from low to high, both in it."""
    return message(wire.IntegerRange, min=whole("low", low), max=whole("high", high), scale=_scale(log), start=start)


def _scale(log: bool) -> wire.RangeScale.ValueType:
    if not isinstance(log, bool):
        raise TypeError(f"log: expected True or False, got {shown(log)}")
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
    given = named("options", "options by name", options)
    chosen = wire.OptimizerChoice(name=text("optimizer", optimizer), options={name: _to_option(name, of) for name, of in given.items()})
    vector = wire.VectorForm(optimizer=chosen)
    if isinstance(space, Mapping):
        parameters = named("space", "parameters by name", space).items()
        vector.box.parameters.extend(_to_parameter(name, of) for name, of in parameters)
    else:
        vector.free.CopyFrom(message(wire.FreeSpace, start=_start(space), scale=scale))
    return message(wire.StudyPlan, direction=_direction(direction), vector=vector, trials=trials, target=target, noise=_to_noise(noise))


def seed_plan(dimensions: int, strategy: wire.Strategy, *, table: str, direction: str, trials: int, target: float | None) -> wire.StudyPlan:
    seed = message(wire.SeedForm, dimensions=dimensions, table=choice("table", table, wire.NoiseTable), strategy=strategy)
    return message(wire.StudyPlan, direction=_direction(direction), seed=seed, trials=trials, target=target)


def _to_noise(noise: Noise | None) -> wire.StudyNoise | None:
    """Raises ValueError for another text, and for True, which would be a deviation of 1."""
    if noise is None:
        return None
    if noise == "unknown":
        return wire.StudyNoise()
    if isinstance(noise, (bool, str)):
        raise ValueError(f"noise: expected a standard deviation or 'unknown', got {noise!r}")
    return wire.StudyNoise(deviation=number("noise", noise))


def _direction(direction: str) -> wire.StudyDirection.ValueType:
    found: wire.StudyDirection.ValueType = choice("direction", direction, wire.StudyDirection)
    return found


def _to_parameter(name: str, of: ParameterRange) -> wire.SpaceParameter:
    if isinstance(of, wire.FloatRange):
        return wire.SpaceParameter(name=name, float=of)
    if isinstance(of, wire.IntegerRange):
        return wire.SpaceParameter(name=name, integer=of)
    field, expected = f'space["{name}"]', "zeroth.floats(...), zeroth.integers(...) or a list of choices"
    choices = [text(f"{field}[{index}]", each) for index, each in enumerate(listed(field, expected, of))]
    return wire.SpaceParameter(name=name, category=wire.CategoryRange(choices=choices))


def _start(space: Any) -> list[float]:
    expected = "parameters by name, or a list of numbers to begin at"
    return [number(f"space[{index}]", each) for index, each in enumerate(listed("space", expected, space))]


def _to_option(name: str, value: OptionLike) -> wire.OptionValue:
    if isinstance(value, bool):
        return wire.OptionValue(flag=value)
    if isinstance(value, str):
        return wire.OptionValue(text=value)
    field = f'options["{name}"]'
    # A seed needs all of its 64 bits.
    return wire.OptionValue(seed=whole(field, value, 2**64)) if name == "seed" else wire.OptionValue(number=number(field, value))
