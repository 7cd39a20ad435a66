# Made by generate.py from ../aio/runs.py: change it there.
"""RunService, blocking: making runs and finding them. What is done with one is in run.py."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .. import wire
from ..checks import choice, message, shown
from ..points import ObjectiveLike, to_objective
from .channel import Channel
from .named import creating
from .run import Run

Service = wire.RunService


class Runs:
    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def create(
        self,
        model: str | wire.Model,
        *,
        run_id: str = "",
        objective: ObjectiveLike | None = None,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        table: str = "gaussian",
        lora: wire.Lora | None = None,
        head: wire.Head | None = None,
        prompt: wire.Prompt | None = None,
        prefix: wire.Prefix | None = None,
    ) -> Run:
        """Begins an optimization of a model. Tried again where it has a `run_id`; otherwise, where the answer was lost, `list` says whether there is a run.

        Args:
            model: a loaded one, or its name "models/*".
            run_id: lower-case letters, digits and hyphens; empty means one is chosen.
            objective: what `evaluate` uses when it names none, "cross_entropy"; the server refuses a run without.
            include, exclude: patterns of the names of what is trained ("*bias"); nothing included means all.
            table: "gaussian" or "rademacher" directions.
            lora, head, prompt, prefix: put adapters, a classifier, a soft prompt or a prefix into the model, for this run.
        """
        if not isinstance(model, (str, wire.Model)):
            raise TypeError(f"model: expected a model or its name, got {shown(model)}")
        selected = message(wire.TrainableSelector, include=include, exclude=exclude)
        request = message(
            wire.CreateRunRequest,
            model=model if isinstance(model, str) else model.name,
            run_id=run_id,
            objective=to_objective(objective),
            trainable=selected if include or exclude else None,
            table=choice("table", table, wire.NoiseTable),
            lora=lora,
            head=head,
            prompt=prompt,
            prefix=prefix,
        )
        return self._of((creating(self._channel, Service.CreateRun, request, is_named=run_id != "")).run)

    def get(self, name: str) -> Run:
        """The run of this name, "runs/*"."""
        run = Run(self._channel, name)
        run.refresh()
        return run

    def list(self, *, model: str = "") -> Iterator[Run]:
        """Every run, or those of one model, "models/*"."""
        for page in self._channel.pages(Service.ListRuns, message(wire.ListRunsRequest, model=model)):
            for run in page.runs:
                yield self._of(run)

    def _of(self, info: wire.Run) -> Run:
        return Run(self._channel, info.name, info)
