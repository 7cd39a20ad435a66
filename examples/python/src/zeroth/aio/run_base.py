"""A run by its name, and what the server last said of it, asynchronous."""

from __future__ import annotations

from .. import wire
from ..checks import text
from .channel import Channel

Service = wire.RunService


class RunBase:
    """What the parts of a Run have in common."""

    def __init__(self, channel: Channel, name: str, info: wire.Run | None = None) -> None:
        self._channel = channel
        self._info = info
        self.name = text("name", name)
        self.revision = 0 if info is None else info.revision

    def __repr__(self) -> str:
        return f"<Run {self.name} at revision {self.revision}>"

    @property
    def info(self) -> wire.Run:
        """What the server last said of it, all of it: state, trainable tensors, snapshots. Raises where `refresh` has not been called."""
        if self._info is None:
            raise ValueError(f"{self.name}: expected a run that was asked for, got its name alone; call refresh() first")
        return self._info

    async def refresh(self) -> wire.Run:
        self._info = (await self._channel.call(Service.GetRun, wire.GetRunRequest(name=self.name), repeatable=True)).run
        self.revision = self._info.revision
        return self._info
