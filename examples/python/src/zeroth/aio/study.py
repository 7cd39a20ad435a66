"""One black-box study, asynchronous."""

from __future__ import annotations

import inspect  # async only
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from .. import wire
from ..arriving import Arriving
from ..asking import Asking, Infeasible, tell_request, to_told, told_of
from ..checks import function, shown, text
from ..checks import path as file_path
from ..errors import ZerothError
from ..noise.vector import SeedVector
from ..requests import new_id
from ..spaces import Estimate, SeedPoint, Trial
from .channel import Channel
from .named import deleting

Service = wire.StudyService


class Study:
    """The server proposes points, clients evaluate them wherever they like, several of them at once, and tell what came of it.

    Attributes:
        name: "studies/*"
    """

    def __init__(self, channel: Channel, name: str, info: wire.Study | None = None) -> None:
        self._channel = channel
        self._info = info
        self.name = text("name", name)

    def __repr__(self) -> str:
        return f"<Study {self.name}>"

    async def refresh(self) -> wire.Study:
        """All that the server says of it: plan, state, how many trials were told."""
        self._info = (await self._channel.call(Service.GetStudy, wire.GetStudyRequest(name=self.name), repeatable=True)).study
        return self._info

    async def optimize(
        self,
        evaluate: Callable[[Any], float | Awaitable[float]],
        *,
        client_id: str = "",
        count: int = 1,
        lease: float = 0.0,
        wait: float = 5.0,
    ) -> int:
        """Evaluates points until the study is completed. Several clients share a study by doing the same.

        Args:
            evaluate: takes a point (a dict of parameters, or a float64 vector) and gives its value. What is not finite counts as infeasible,
                and so does a raised Infeasible; other errors end the loop.
            client_id: who evaluates; empty means a name of its own.
            count: trials asked for at a time.
            lease: seconds, longer than an evaluation takes; 0 means what the server is set to.
            wait: seconds that one request waits for a trial that others have to make way for; then there is another.

        Returns:
            How many trials it told.
        """
        function("evaluate", evaluate)
        asking = Asking(client_id or new_id(), count, lease, wait)

        async def values(asked: wire.AskResponse) -> list[wire.ToldValue]:
            found = []
            for trial in asked.trials:
                found.append(to_told(trial.number, await _outcome(evaluate, (await self._trial(trial)).point)))
            return found

        return await self._loop(asking, values, None)

    async def optimize_vector(
        self, vector: SeedVector, evaluate: Callable[[Any], float | Awaitable[float]], *, client_id: str = "", count: int = 1, lease: float = 0.0, wait: float = 5.0
    ) -> int:
        """As `optimize`, in the seed form: `vector` follows the study's updates, and `evaluate` is given its values where each trial has them.

        The values are only valid until it has answered. In the end the vector is that of the study's last revision.
        """
        function("evaluate", evaluate)
        asking = Asking(client_id or new_id(), count, lease, wait)
        await self._check_vector(vector)

        async def values(asked: wire.AskResponse) -> list[wire.ToldValue]:
            await self._follow(vector, asked)
            found = []
            for trial in asked.trials:
                point = (await self._trial(trial)).point
                # Where it is another revision's, others have told it while the answer was on its way.
                if isinstance(point, SeedPoint) and point.revision == vector.revision:
                    with vector.at(point.shifts) as moved:
                        found.append(to_told(trial.number, await _outcome(evaluate, moved)))
            return found

        return await self._loop(asking, values, vector)

    async def ask(self, client_id: str, *, count: int = 1, lease: float = 0.0, wait: float = 0.0) -> list[Trial]:
        """Trials to evaluate; none where all are with others, or the study is completed. A try whose answer was lost gets the same ones."""
        request = Asking(client_id, count, lease, wait).request(self.name)
        answer = await self._channel.call(Service.Ask, request, repeatable=True)
        return [await self._trial(trial) for trial in answer.trials]

    async def tell(self, values: Mapping[int, float | Infeasible]) -> None:
        """Values by the numbers of trials; `Infeasible("why")` where there is none."""
        await self._channel.call(Service.Tell, tell_request(self.name, told_of(values)), repeatable=True)

    async def best(self) -> Trial | None:
        """None before there is a value, and where values are noisy: then there is an `estimate`."""
        answer = await self._channel.call(Service.GetBest, wire.GetBestRequest(study=self.name), repeatable=True)
        return await self._trial(answer.best) if answer.HasField("best") else None

    async def estimate(self) -> Estimate | None:
        """What to take where values are noisy: the best of many would be the luckiest. None before a generation of the optimizer is whole."""
        answer = await self._channel.call(Service.GetBest, wire.GetBestRequest(study=self.name), repeatable=True)
        if not answer.HasField("estimate"):
            return None
        info = self._info or await self.refresh()
        return Estimate.of(answer.estimate, info.plan)

    async def trials(self) -> AsyncIterator[Trial]:
        """In the order of their numbers."""
        async for page in self._channel.pages(Service.ListTrials, wire.ListTrialsRequest(study=self.name)):
            for trial in page.trials:
                yield await self._trial(trial)

    async def export(self, path: str | os.PathLike[str]) -> None:
        """Writes all of it to a file, as lines of text (docs/studies.md), for `studies.import_from`: the file is there when all of it is."""

        place = file_path("path", path)

        async def attempt() -> None:
            with Arriving(place) as file:
                async for piece in self._channel.stream(Service.ExportStudy, wire.ExportStudyRequest(study=self.name)):
                    file.write(piece.data)
                file.keep()

        await self._channel.repeat(attempt)

    async def delete(self) -> None:
        """With its trials. Tried again: one that is not there any more then is deleted."""
        await deleting(self._channel, Service.DeleteStudy, wire.DeleteStudyRequest(name=self.name))

    async def _trial(self, message: wire.Trial) -> Trial:
        info = self._info or await self.refresh()
        return Trial.of(message, info.plan)

    async def _loop(
        self, asking: Asking, evaluated: Callable[[wire.AskResponse], Awaitable[Values]], vector: SeedVector | None
    ) -> int:
        """Every round tells what it has and asks for more in the same message."""
        told = 0
        asked = await self._channel.call(Service.Ask, self._next(asking, vector), repeatable=True)
        while True:
            values = await evaluated(asked)
            if not asked.trials and asked.state == wire.STUDY_STATE_COMPLETED:
                return told
            told += len(values)
            asked = await self._tell_and_ask(values, asking, vector)

    async def _tell_and_ask(self, values: Values, asking: Asking, vector: SeedVector | None) -> wire.AskResponse:
        """A value that somebody else was faster with is theirs: leases end, and clients come back."""
        try:
            request = tell_request(self.name, values, self._next(asking, vector))
            return (await self._channel.call(Service.Tell, request, repeatable=True)).asked
        except ZerothError as error:
            if error.reason != "TRIAL_TOLD":
                raise
        for value in values:
            try:
                await self._channel.call(Service.Tell, tell_request(self.name, [value]), repeatable=True)
            except ZerothError as error:
                if error.reason != "TRIAL_TOLD":
                    raise
        return await self._channel.call(Service.Ask, self._next(asking, vector), repeatable=True)

    def _next(self, asking: Asking, vector: SeedVector | None) -> wire.AskRequest:
        return asking.request(self.name, None if vector is None else vector.revision)

    async def _check_vector(self, vector: SeedVector) -> None:
        """What does not fit would be asked about for ever, and never told. Raises TypeError or ValueError."""
        if not isinstance(vector, SeedVector):
            raise TypeError(f"vector: expected a zeroth.SeedVector, got {shown(vector)}")
        plan = (self._info or await self.refresh()).plan
        if not plan.HasField("seed"):
            raise ValueError(f"{self.name}: expected a study in the seed form, got one with a search space: study.optimize is for those")
        if vector.values.size != plan.seed.dimensions:
            raise ValueError(f"vector: expected {plan.seed.dimensions} values, got {vector.values.size}")

    async def _follow(self, vector: SeedVector, asked: wire.AskResponse) -> None:
        """An answer has the first updates only, where they are many."""
        vector.apply(asked.updates)
        while vector.revision < asked.revision:
            request = wire.ListUpdatesRequest(study=self.name, after_revision=vector.revision)
            vector.apply((await self._channel.call(Service.ListUpdates, request, repeatable=True)).updates)


Values = list[wire.ToldValue]


async def _outcome(evaluate: Callable[[Any], float | Awaitable[float]], point: object) -> float | Infeasible:
    try:
        value = evaluate(point)
        if inspect.isawaitable(value):  # async only
            value = await value  # async only
        return value
    except Infeasible as why:
        return why
