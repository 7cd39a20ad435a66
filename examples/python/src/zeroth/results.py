"""Answers of the oracle, with numpy where there are numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from . import wire
from .tensors import Array, to_arrays

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Evaluation:
    """Losses of points, in the order in which they were asked for.

    Attributes:
        losses: float64 [points], means over the examples (of causal_lm and masked_lm over the tokens). May be NaN or infinite.
        finite: bool [points].
        examples: int64 [points].
        tokens: int64 [points]: positions that had a label, of objectives that score positions.
        per_example_losses: float64 [points, rows]; None where they were not asked for.
        per_example_tokens: int64 [points, rows], beside them, of objectives that score positions.
        outputs: by point the model's outputs that were asked for, by name.
        revision: what "the head" meant for these points.
        head: of the run when the answer left.
        timing: milliseconds, where the time went.
    """

    losses: Floats
    finite: npt.NDArray[np.bool_]
    examples: npt.NDArray[np.int64]
    tokens: npt.NDArray[np.int64]
    per_example_losses: Floats | None
    per_example_tokens: npt.NDArray[np.int64] | None
    outputs: tuple[Mapping[str, Array], ...]
    revision: int
    head: int
    timing: wire.Timing

    @staticmethod
    def of(answer: wire.EvaluateResponse) -> Evaluation:
        results = answer.results
        losses = [result.per_example_losses for result in results]
        tokens = [result.per_example_tokens for result in results]
        return Evaluation(
            losses=np.array([result.loss for result in results], np.float64),
            finite=np.array([result.finite for result in results], np.bool_),
            examples=np.array([result.examples for result in results], np.int64),
            tokens=np.array([result.tokens for result in results], np.int64),
            per_example_losses=np.array(losses, np.float64) if any(losses) else None,
            per_example_tokens=np.array(tokens, np.int64) if any(tokens) else None,
            outputs=tuple(to_arrays(result.outputs) for result in results),
            revision=answer.revision,
            head=answer.head,
            timing=answer.timing,
        )


@dataclass(frozen=True)
class Updated:
    """Where an update or a rollback has led.

    Attributes:
        revision: the one that it made.
        head: now; beyond `revision` where other entries (a regrid among them) followed.
        replayed: whether this request id had been applied before.
    """

    revision: int
    head: int
    replayed: bool

    @staticmethod
    def of(answer: wire.UpdateResponse | wire.RollbackRunResponse) -> Updated:
        return Updated(answer.revision, answer.head, answer.replayed)


@dataclass(frozen=True)
class Stepped:
    """Of an update and the evaluation behind it, those that the step had."""

    update: Updated | None
    evaluation: Evaluation | None

    @staticmethod
    def of(answer: wire.StepResponse) -> Stepped:
        update = Updated.of(answer.update) if answer.HasField("update") else None
        return Stepped(update, Evaluation.of(answer.evaluate) if answer.HasField("evaluate") else None)


@dataclass(frozen=True)
class Outputs:
    """Rows of a point's model outputs, of a stream of them.

    Attributes:
        point: which of the points.
        places: int64: which rows of the batch.
        arrays: by name, a row for each place.
        revision: what "the head" meant.
    """

    point: int
    places: npt.NDArray[np.int64]
    arrays: Mapping[str, Array]
    revision: int

    @staticmethod
    def of(piece: wire.EvaluateOutputsResponse) -> Outputs:
        return Outputs(piece.point, np.array(piece.places, np.int64), to_arrays(piece.outputs), piece.revision)
