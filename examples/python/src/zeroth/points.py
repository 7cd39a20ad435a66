"""What is evaluated, and on what: shifts, points, decays, batches, objectives, as a program writes them and as messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy.typing as npt

from . import wire
from .checks import listed, message, named, number, shown, text, whole
from .datasets import Dataset
from .tensors import to_tensor


class Shift(NamedTuple):
    """A direction z(seed) over all trainable weights, times a number. A pair `(seed, scale)` will do wherever one is taken."""

    seed: int
    """0 to 2^64 - 1."""
    scale: float


Shifts: TypeAlias = Iterable[tuple[int, float]]


@dataclass(frozen=True)
class Point:
    """Where to evaluate: an anchor and the shifts to add to it. Evaluating a point never changes the run.

    The anchor is the head of the run, or one of `revision`, `snapshot` (its id or its full name) and `handle` (of `run.perturb`).
    A bare list of shifts will do for one at the head, and `[]` is the head itself.
    """

    shifts: Sequence[tuple[int, float]] = ()
    revision: int | None = None
    snapshot: str | None = None
    handle: str | None = None


@dataclass(frozen=True)
class Decay:
    """Weights of some tensors times a factor (docs/journal.md, "decay/1").

    Attributes:
        factor: above 0 and below 1: 1 - learning rate x weight decay.
        seed: of its own for each decay: which weights round up.
        include, exclude: patterns of tensor names ("*bias*"); nothing included means all.
    """

    factor: float
    seed: int
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()


PointLike: TypeAlias = "Point | Shifts"
BatchLike: TypeAlias = "Dataset | wire.Dataset | str | wire.Batch | Mapping[str, npt.ArrayLike]"
ObjectiveLike: TypeAlias = "str | wire.Objective"


_SHIFTS = "a list of shifts (seed, scale)"


def to_shifts(shifts: Shifts, field: str = "shifts", expected: str = _SHIFTS) -> list[wire.Shift]:
    """Raises TypeError or ValueError naming the shift."""
    return [wire.Shift(seed=seed, scale=scale) for seed, scale in to_pairs(shifts, field, expected)]


def to_pairs(shifts: Shifts, field: str = "shifts", expected: str = _SHIFTS) -> list[Shift]:
    """Raises TypeError or ValueError naming the shift."""
    if isinstance(shifts, tuple) and len(shifts) == 2 and not isinstance(shifts[0], (tuple, list)):
        raise TypeError(f"{field}: expected {expected}, got one shift {shown(tuple(shifts))}")
    return [_to_pair(each, f"{field}[{index}]") for index, each in enumerate(listed(field, expected, shifts))]


def _to_pair(shift: Any, field: str) -> Shift:
    try:
        seed, scale = shift
    except (TypeError, ValueError):
        raise TypeError(f"{field}: expected a shift (seed, scale), got {shown(shift)}") from None
    return Shift(to_seed(seed, f"{field}.seed"), number(f"{field}.scale", scale))


def to_seed(seed: int, field: str = "seed") -> int:
    return whole(field, seed, 2**64)


def to_points(points: Iterable[PointLike], run: str) -> list[wire.Point]:
    expected = f"a list of points, each a Point or {_SHIFTS}"
    return [to_point(point, run, f"points[{index}]") for index, point in enumerate(listed("points", expected, points))]


def to_point(point: PointLike, run: str, field: str = "point") -> wire.Point:
    if not isinstance(point, Point):
        return wire.Point(shifts=to_shifts(point, field, f"a Point or {_SHIFTS}"))
    anchors = [point.revision, point.snapshot, point.handle]
    if sum(anchor is not None for anchor in anchors) > 1:
        raise ValueError(f"{field}: expected at most one of revision, snapshot and handle, got {point}")
    shifts = to_shifts(point.shifts, f"{field}.shifts")
    if point.revision is not None:
        return wire.Point(anchor=message(wire.Anchor, revision=whole(f"{field}.revision", point.revision)), shifts=shifts)
    if point.snapshot is not None:
        return wire.Point(anchor=wire.Anchor(snapshot=snapshot_name(point.snapshot, run, f"{field}.snapshot")), shifts=shifts)
    if point.handle is not None:
        return wire.Point(handle=text(f"{field}.handle", point.handle), shifts=shifts)
    return wire.Point(shifts=shifts)


def snapshot_name(snapshot: str, run: str, field: str = "snapshot") -> str:
    return snapshot if "/" in text(field, snapshot) else f"{run}/snapshots/{snapshot}"


def to_decay(decay: Decay | None) -> wire.Decay | None:
    if decay is None:
        return None
    if not isinstance(decay, Decay):
        raise TypeError(f"decay: expected a Decay, got {shown(decay)}")
    seed = to_seed(decay.seed, "decay.seed")
    return message(wire.Decay, factor=number("decay.factor", decay.factor), seed=seed, include=decay.include, exclude=decay.exclude)


def to_batch(batch: BatchLike) -> wire.Batch:
    """A stored dataset (all rows of it, or `dataset[rows]`), or tensors to send along, by the names of the model's inputs and labels."""
    if isinstance(batch, wire.Batch):
        return batch
    if isinstance(batch, Mapping):
        tensors = {name: to_tensor(array, f'batch["{name}"]') for name, array in named("batch", "arrays by name", batch).items()}
        return wire.Batch(inline=wire.InlineBatch(tensors=tensors))
    if not isinstance(batch, (Dataset, wire.Dataset, str)):
        raise TypeError(f"batch: expected a dataset, its name, dataset[rows] or a dict of arrays, got {shown(batch)}")
    name = batch if isinstance(batch, str) else batch.name
    return wire.Batch(dataset=wire.DatasetBatch(dataset=name))


def to_objective(objective: ObjectiveLike | None) -> wire.Objective | None:
    if objective is None or isinstance(objective, wire.Objective):
        return objective
    if not isinstance(objective, str):
        raise TypeError(f"objective: expected a name or a zeroth.wire.Objective, got {shown(objective)}")
    return wire.Objective(name=objective)


def to_outputs(outputs: Sequence[str | wire.OutputSelection]) -> list[wire.OutputSelection]:
    return [_to_output(each, f"outputs[{index}]") for index, each in enumerate(listed("outputs", "a list of names", outputs))]


def _to_output(output: str | wire.OutputSelection, field: str) -> wire.OutputSelection:
    if isinstance(output, wire.OutputSelection):
        return output
    if not isinstance(output, str):
        raise TypeError(f"{field}: expected a name or a zeroth.wire.OutputSelection, got {shown(output)}")
    return wire.OutputSelection(name=output)
