"""One training that the server runs, asynchronous."""

from __future__ import annotations

from collections.abc import AsyncIterator

from .. import wire
from ..checks import message, text, whole
from .channel import Channel
from .named import deleting

Service = wire.TrainingService


class Training:
    """Goes on by itself, whoever watches, and survives a restart of the server.

    Attributes:
        name: "runs/*/trainings/*"
    """

    def __init__(self, channel: Channel, name: str, info: wire.Training | None = None) -> None:
        self._channel = channel
        self._info = info
        self.name = text("name", name)

    def __repr__(self) -> str:
        return f"<Training {self.name}>"

    @property
    def info(self) -> wire.Training:
        """What the server last said of it: state, steps made, evaluations. Raises where `refresh` has not been called."""
        if self._info is None:
            raise ValueError(f"{self.name}: expected a training that was asked for, got its name alone; call refresh() first")
        return self._info

    async def refresh(self) -> wire.Training:
        self._info = (await self._channel.call(Service.GetTraining, wire.GetTrainingRequest(name=self.name), repeatable=True)).training
        return self._info

    async def watch(self, *, after: int = 0) -> AsyncIterator[wire.TrainingEvent]:
        """Steps, evaluations and changes of state behind an event, those to come too, until the training is over or the loop is left.

        Where the stream breaks it goes on behind the last event that came: none is missed, none comes twice.
        """

        def behind(request: wire.WatchTrainingRequest, answer: wire.WatchTrainingResponse) -> None:
            request.after_event = answer.event.number

        request = message(wire.WatchTrainingRequest, name=self.name, after_event=whole("after", after))
        async for answer in self._channel.follow(Service.WatchTraining, request, behind):
            yield answer.event

    async def finished(self) -> wire.Training:
        """Waits until it is over, one way or another; `state` and `state_reason` say which."""
        while True:
            training = await self.refresh()
            if training.state not in (wire.TRAINING_STATE_RUNNING, wire.TRAINING_STATE_PAUSED):
                return training
            async for _ in self.watch(after=training.events):
                pass

    async def pause(self) -> wire.Training:
        """Ends after the step under way, when that is durable."""
        self._info = (await self._channel.call(Service.PauseTraining, wire.PauseTrainingRequest(name=self.name), repeatable=True)).training
        return self._info

    async def resume(self) -> wire.Training:
        """Goes on with one that was paused, or failed, from where the run is now."""
        self._info = (
            await self._channel.call(Service.ResumeTraining, wire.ResumeTrainingRequest(name=self.name), repeatable=True)
        ).training
        return self._info

    async def stop(self) -> wire.Training:
        """For good, after the step under way."""
        self._info = (await self._channel.call(Service.StopTraining, wire.StopTrainingRequest(name=self.name), repeatable=True)).training
        return self._info

    async def delete(self) -> None:
        """One that is not running. What it did to the run stays. Tried again: one that is not there any more then is deleted."""
        await deleting(self._channel, Service.DeleteTraining, wire.DeleteTrainingRequest(name=self.name))
