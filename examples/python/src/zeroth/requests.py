"""Requests of the oracle, built of what a program writes: the same for the blocking client and the asynchronous one."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence

from . import wire
from .checks import listed, message
from .points import (
    BatchLike,
    Decay,
    ObjectiveLike,
    PointLike,
    Shifts,
    to_batch,
    to_decay,
    to_objective,
    to_outputs,
    to_points,
    to_pairs,
    to_shifts,
)


def evaluate_request(
    run: str,
    points: Iterable[PointLike],
    batch: BatchLike,
    *,
    objective: ObjectiveLike | None = None,
    revision: int | None = None,
    per_example: bool = False,
    outputs: Sequence[str | wire.OutputSelection] = (),
    output_rows: Sequence[int] = (),
) -> wire.EvaluateRequest:
    return message(
        wire.EvaluateRequest,
        run=run,
        points=to_points(points, run),
        batch=to_batch(batch),
        objective=to_objective(objective),
        revision=revision,
        per_example_losses=per_example,
        output_selections=to_outputs(outputs),
        output_rows=listed("output_rows", "a list of rows", output_rows),
    )


def update_request(
    run: str,
    shifts: Shifts,
    *,
    decay: Decay | None = None,
    request_id: str | None = None,
    expected_revision: int | None = None,
    measured_at_revision: int | None = None,
    staleness_max: int | None = None,
) -> wire.UpdateRequest:
    """Without a request id it gets one of its own, so that it may be sent again where its answer was lost."""
    return message(
        wire.UpdateRequest,
        run=run,
        shifts=to_shifts(shifts),
        decay=to_decay(decay),
        request_id=request_id or new_id(),
        expected_revision=expected_revision,
        measured_at_revision=measured_at_revision,
        staleness_max=staleness_max,
    )


def new_id() -> str:
    return uuid.uuid4().hex


def step_request(
    run: str,
    shifts: Shifts,
    points: Iterable[PointLike],
    batch: BatchLike,
    *,
    decay: Decay | None = None,
    request_id: str | None = None,
    objective: ObjectiveLike | None = None,
) -> wire.StepRequest:
    """Without shifts and decay an evaluation alone."""
    moves = to_pairs(shifts)
    is_update = len(moves) > 0 or decay is not None
    update = update_request(run, moves, decay=decay, request_id=request_id) if is_update else None
    return wire.StepRequest(update=update, evaluate=evaluate_request(run, points, batch, objective=objective))
