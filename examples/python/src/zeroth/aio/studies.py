"""StudyService, asynchronous: making studies and finding them. What is done with one is in study.py."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping

from .. import wire
from ..checks import message
from ..spaces import Noise, OptionLike, Space, seed_plan, study_plan
from ..study_file import import_requests
from .channel import Channel
from .named import creating, making
from .study import Study

Service = wire.StudyService


class Studies:
    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def create(
        self,
        space: Space,
        *,
        optimizer: str = "cma-es",
        options: Mapping[str, OptionLike] | None = None,
        scale: float | None = None,
        direction: str = "minimize",
        trials: int = 0,
        target: float | None = None,
        noise: Noise | None = None,
        study_id: str = "",
    ) -> Study:
        """Begins a search. Tried again where it has a `study_id`.

        Args:
            space: parameters by name, each of `zeroth.floats(...)`, `zeroth.integers(...)` or a list of choices; or a vector to begin at.
            optimizer, options: as `info().optimizer_infos` lists them.
            scale: of a vector: how far from its start the optimum is expected.
            direction: "minimize" or "maximize".
            trials: in all; 0 means without an end.
            target: a value that is as good completes the study; where values are noisy, an estimate that is.
            noise: where values of the same point differ: their standard deviation, or "unknown". For optimizers that take it; the same
                point is then several trials, and there is `study.estimate()` instead of a best one.
            study_id: lower-case letters, digits and hyphens; empty means one is chosen.
        """
        plan = study_plan(space, optimizer, options or {}, scale=scale, direction=direction, trials=trials, target=target, noise=noise)
        return await self._create(plan, study_id)

    async def create_seeded(
        self,
        dimensions: int,
        strategy: wire.Strategy,
        *,
        table: str = "gaussian",
        direction: str = "minimize",
        trials: int = 0,
        target: float | None = None,
        study_id: str = "",
    ) -> Study:
        """A search in the seed form: the vector stays with the clients (`zeroth.SeedVector`, `study.optimize_vector`), seeds and losses travel."""
        plan = seed_plan(dimensions, strategy, table=table, direction=direction, trials=trials, target=target)
        return await self._create(plan, study_id)

    async def import_from(self, source: str | os.PathLike[str] | bytes, *, study_id: str = "") -> Study:
        """A study from what `study.export` wrote, here or of another server: a file, or what was in it. Tried again where it has a `study_id`.

        It goes on as the original would have, and offers its open trials at once.

        Raises:
            ZerothError: INVALID_ARGUMENT or DATA_LOSS where that is no whole export, and nothing is left behind.
        """

        async def attempt() -> wire.ImportStudyResponse:
            return await self._channel.send(Service.ImportStudy, lambda: import_requests(source, study_id), repeatable=False)

        study = (await making(self._channel, attempt, is_named=study_id != "")).study
        return Study(self._channel, study.name, study)

    async def get(self, name: str) -> Study:
        """The study of this name, "studies/*"."""
        study = Study(self._channel, name)
        await study.refresh()
        return study

    async def list(self) -> AsyncIterator[Study]:
        """Every study."""
        async for page in self._channel.pages(Service.ListStudies, wire.ListStudiesRequest()):
            for study in page.studies:
                yield Study(self._channel, study.name, study)

    async def _create(self, plan: wire.StudyPlan, study_id: str) -> Study:
        request = message(wire.CreateStudyRequest, study_id=study_id, plan=plan)
        study = (await creating(self._channel, Service.CreateStudy, request, is_named=study_id != "")).study
        return Study(self._channel, study.name, study)
