"""What is evaluated, and on what: shifts, points, decays, batches, objectives, as a program writes them and as messages."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy.typing as npt

from . import wire
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


def to_shifts(shifts: Shifts) -> list[wire.Shift]:
    """Raises ValueError naming the seed."""
    return [wire.Shift(seed=to_seed(seed), scale=float(scale)) for seed, scale in shifts]


def to_seed(seed: int) -> int:
    value = operator.index(seed)
    if not 0 <= value < 2**64:
        raise ValueError(f"seed: expected 0 to 2^64 - 1, got {value}")
    return value


def to_point(point: PointLike, run: str) -> wire.Point:
    if not isinstance(point, Point):
        return wire.Point(shifts=to_shifts(point))
    anchors = [point.revision, point.snapshot, point.handle]
    if sum(anchor is not None for anchor in anchors) > 1:
        raise ValueError(f"point: expected at most one of revision, snapshot and handle, got {point}")
    message = wire.Point(shifts=to_shifts(point.shifts))
    if point.revision is not None:
        message.anchor.revision = point.revision
    elif point.snapshot is not None:
        message.anchor.snapshot = snapshot_name(point.snapshot, run)
    elif point.handle is not None:
        message.handle = point.handle
    return message


def snapshot_name(snapshot: str, run: str) -> str:
    return snapshot if "/" in snapshot else f"{run}/snapshots/{snapshot}"


def to_decay(decay: Decay | None) -> wire.Decay | None:
    if decay is None:
        return None
    return wire.Decay(factor=decay.factor, seed=to_seed(decay.seed), include=decay.include, exclude=decay.exclude)


def to_batch(batch: BatchLike) -> wire.Batch:
    """A stored dataset (all rows of it, or `dataset[rows]`), or tensors to send along, by the names of the model's inputs and labels."""
    if isinstance(batch, wire.Batch):
        return batch
    if isinstance(batch, Mapping):
        tensors = {name: to_tensor(array) for name, array in batch.items()}
        return wire.Batch(inline=wire.InlineBatch(tensors=tensors))
    name = batch if isinstance(batch, str) else batch.name
    return wire.Batch(dataset=wire.DatasetBatch(dataset=name))


def to_objective(objective: ObjectiveLike | None) -> wire.Objective | None:
    return wire.Objective(name=objective) if isinstance(objective, str) else objective


def to_outputs(outputs: Sequence[str | wire.OutputSelection]) -> list[wire.OutputSelection]:
    return [wire.OutputSelection(name=each) if isinstance(each, str) else each for each in outputs]
