# Made by generate.py from ../aio/run_oracle.py: change it there.
"""What is evaluated near a run's weights, and what the run is told, blocking."""

from __future__ import annotations

from collections.abc import Iterator, Iterable, Sequence

from .. import wire
from ..checks import message
from ..points import BatchLike, Decay, ObjectiveLike, Point, PointLike, Shifts, to_batch, to_outputs, to_point, to_points
from ..requests import evaluate_request, step_request, update_request
from ..results import Evaluation, Outputs, Stepped, Updated
from .run_base import RunBase

Service = wire.OracleService


class RunOracle(RunBase):
    def evaluate(
        self,
        points: Iterable[PointLike],
        batch: BatchLike,
        *,
        objective: ObjectiveLike | None = None,
        revision: int | None = None,
        per_example: bool = False,
        outputs: Sequence[str | wire.OutputSelection] = (),
        output_rows: Sequence[int] = (),
    ) -> Evaluation:
        """Losses at points near the run's weights, which stay as they are. Pure, and so tried again where the answer was lost.

        Args:
            points: each a list of shifts `(seed, scale)` at the head, or a Point from elsewhere; `[[]]` is the head itself.
            batch: a dataset, `dataset[rows]`, or arrays by the names of the model's inputs and labels.
            objective: None means the run's.
            revision: what "the head" means for these points; None means the head when the work begins.
            per_example: whether to return the loss of every example.
            outputs: names of model outputs to return; of `output_rows` alone, where there are any.

        >>> plus, minus = run.evaluate([[(7, 1e-3)], [(7, -1e-3)]], dataset[0:16]).losses
        """
        request = evaluate_request(
            self.name,
            points,
            batch,
            objective=objective,
            revision=revision,
            per_example=per_example,
            outputs=outputs,
            output_rows=output_rows,
        )
        answer = self._channel.call(Service.Evaluate, request, repeatable=True)
        self.revision = answer.head
        return Evaluation.of(answer)

    def update(
        self,
        shifts: Shifts,
        *,
        decay: Decay | None = None,
        request_id: str | None = None,
        expected_revision: int | None = None,
        measured_at_revision: int | None = None,
        staleness_max: int | None = None,
    ) -> Updated:
        """Adds shifts to the weights, durably, as one entry of the journal. Never applied twice: a try whose answer was lost is known by its id.

        Args:
            shifts: of `(seed, scale)`; a step of gradient descent has negative scales, -rate x projected gradient.
            decay: comes before the shifts.
            request_id: unique within the run; the same again gives the first answer. None means one of its own, for this call alone.
            expected_revision: the head that this builds on; another is ABORTED (REVISION_MISMATCH).
            measured_at_revision, staleness_max: ABORTED where the losses behind it were measured further back.

        >>> run.update([(7, -0.1 * (plus - minus) / 2e-3)], request_id="step-1").revision
        """
        request = update_request(
            self.name,
            shifts,
            decay=decay,
            request_id=request_id,
            expected_revision=expected_revision,
            measured_at_revision=measured_at_revision,
            staleness_max=staleness_max,
        )
        answer = self._channel.call(Service.Update, request, repeatable=True)
        self.revision = answer.head
        return Updated.of(answer)

    def step(
        self,
        shifts: Shifts,
        points: Iterable[PointLike],
        batch: BatchLike,
        *,
        decay: Decay | None = None,
        request_id: str | None = None,
        objective: ObjectiveLike | None = None,
    ) -> Stepped:
        """As `update` and then `evaluate` at the revision that it made, in one round trip. Without shifts and decay only the latter."""
        answer = self._channel.call(
            Service.Step,
            step_request(self.name, shifts, points, batch, decay=decay, request_id=request_id, objective=objective),
            repeatable=True,
        )
        self.revision = answer.evaluate.head
        return Stepped.of(answer)


    def perturb(self, point: PointLike) -> Point:
        """Prepares a point ahead of time; what comes back stands for it for ever, pinned to a revision."""
        request = wire.PerturbRequest(run=self.name, point=to_point(point, self.name))
        answer = self._channel.call(Service.Perturb, request, repeatable=True)
        return Point(handle=answer.handle)

    def outputs(
        self,
        points: Iterable[PointLike],
        batch: BatchLike,
        outputs: Sequence[str | wire.OutputSelection] = ("",),
        *,
        revision: int | None = None,
    ) -> Iterator[Outputs]:
        """Model outputs in pieces, every row of every point once, for a loss of one's own. Not tried again where the stream breaks."""
        request = message(
            wire.EvaluateOutputsRequest,
            run=self.name,
            points=to_points(points, self.name),
            batch=to_batch(batch),
            revision=revision,
            outputs=to_outputs(outputs),
        )
        for piece in self._channel.stream(Service.EvaluateOutputs, request):
            yield Outputs.of(piece)
