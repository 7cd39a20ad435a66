"""One run, asynchronous: what can be asked of it and done with it."""

from __future__ import annotations

from collections.abc import AsyncIterator

from .. import wire
from ..checks import message
from ..datasets import Dataset
from ..points import ObjectiveLike
from ..strategies import training_plan
from .named import creating, deleting
from .run_oracle import RunOracle
from .run_past import RunPast
from .run_weights import RunWeights
from .training import Training

Service = wire.RunService


class Run(RunOracle, RunPast, RunWeights):
    """A run of the server. Evaluating never changes it; `update` and `rollback` are all that does.

    Attributes:
        name: "runs/*"
        revision: its head, as far as this object has heard: the length of its journal.
    """

    def within(self, seconds: float | None) -> Run:
        """The same run; each try of a call ends after so many seconds with DEADLINE_EXCEEDED."""
        return Run(self._channel.within(seconds), self.name, self._info)

    async def fork(self, *, revision: int | None = None, run_id: str = "") -> Run:
        """A new run whose journal is this one's up to a revision, the head by default. Tried again where it has a `run_id`."""
        request = message(wire.ForkRunRequest, name=self.name, revision=revision, run_id=run_id)
        info = (await creating(self._channel, Service.ForkRun, request, is_named=run_id != "")).run
        return Run(self._channel, info.name, info)

    async def delete(self) -> None:
        """The run, its journal and its snapshots. Tried again: one that is not there any more then is deleted."""
        await deleting(self._channel, Service.DeleteRun, wire.DeleteRunRequest(name=self.name))

    async def train(
        self,
        strategy: wire.Strategy,
        dataset: str | Dataset,
        *,
        batch_size: int,
        batch_seed: int = 0,
        steps: int | None = None,
        examples: int | None = None,
        objective: ObjectiveLike | None = None,
        evaluation: wire.EvaluationPlan | None = None,
        training_id: str = "",
    ) -> Training:
        """Begins a training that the server runs by itself, whoever watches.

        Tried again where it has a `training_id`; otherwise, where the answer was lost, `trainings` says whether there is one.

        Args:
            strategy: of `zeroth.strategy("mezo", learning_rate=1e-3, seed=1)`.
            dataset: or its name.
            batch_size: rows of a mini-batch.
            batch_seed: which rows come when.
            steps, examples: what ends it, one of the two; examples are points times rows.
            evaluation: looks at other rows every so often; may end the training early.
            training_id: updates have the request ids "<training_id>/<step>", so that an id serves a run once; empty means one is chosen.
        """
        plan = training_plan(strategy, dataset, batch_size, batch_seed, steps, examples, objective, evaluation)
        request = message(wire.StartTrainingRequest, run=self.name, training_id=training_id, plan=plan)
        start = wire.TrainingService.StartTraining
        training = (await creating(self._channel, start, request, is_named=training_id != "")).training
        return Training(self._channel, training.name, training)

    async def trainings(self) -> AsyncIterator[Training]:
        """Those of this run."""
        request = wire.ListTrainingsRequest(run=self.name)
        async for page in self._channel.pages(wire.TrainingService.ListTrainings, request):
            for training in page.trainings:
                yield Training(self._channel, training.name, training)
