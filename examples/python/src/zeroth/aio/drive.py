"""Steps on one stream instead of one call each, asynchronous."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from .. import wire
from ..errors import ZerothError, from_status
from ..points import BatchLike, Decay, ObjectiveLike, PointLike, Shifts
from ..requests import step_request
from ..results import Stepped
from .channel import Channel
from .streams import Duplex

Stream = Duplex[wire.DriveRequest, wire.DriveResponse]


class Drive:
    """`async with run.drive() as drive`: steps may wait for one another or not; those beyond the server's window wait here.

    The stream opens with the first step, and again after it broke: a step is then sent again, as `run.step` is.
    """

    def __init__(self, channel: Channel, run: str) -> None:
        self._channel = channel
        self._run = run
        self._line: _Line | None = None

    async def __aenter__(self) -> Drive:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._line is not None:
            self._line.close()

    async def step(
        self,
        shifts: Shifts,
        points: Iterable[PointLike],
        batch: BatchLike,
        *,
        decay: Decay | None = None,
        request_id: str | None = None,
        objective: ObjectiveLike | None = None,
    ) -> Stepped:
        """As `run.step`. Steps begin in the order in which they were asked for; an error is that of its own step."""
        step = step_request(self._run, shifts, points, batch, decay=decay, request_id=request_id, objective=objective)

        async def attempt() -> wire.StepResponse:
            if self._line is None or self._line.is_over:
                self._line = _Line(self._channel.duplex(wire.OracleService.Drive))
            return await self._line.ask(step)

        return Stepped.of(await self._channel.repeat(attempt))


class _Line:
    """One stream: which steps have been sent, which wait for room in the server's window."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._under_way: dict[int, asyncio.Future[wire.StepResponse]] = {}
        self._waiting: list[tuple[wire.StepRequest, asyncio.Future[wire.StepResponse]]] = []
        self._window = 0
        self._tag = 0
        self.is_over = False
        self._reading = asyncio.create_task(self._read())

    async def ask(self, step: wire.StepRequest) -> wire.StepResponse:
        answer: asyncio.Future[wire.StepResponse] = asyncio.get_running_loop().create_future()
        self._waiting.append((step, answer))
        try:
            # A write that is cancelled would end the stream, and with it the steps of others.
            await asyncio.shield(self._send())
            return await answer
        finally:
            answer.cancel()

    def close(self) -> None:
        """Gives up what is under way."""
        self._stream.cancel()
        self._reading.cancel()
        self._fail(ZerothError("CANCELLED", "the stream was closed"))

    async def _send(self) -> None:
        while self._waiting and len(self._under_way) < self._window:
            step, answer = self._waiting.pop(0)
            if answer.done():
                continue
            self._tag += 1
            self._under_way[self._tag] = answer
            await self._stream.write(wire.DriveRequest(tag=self._tag, step=step))

    async def _read(self) -> None:
        try:
            async for response in self._stream:
                self._receive(response)
                await self._send()
            self._fail(ZerothError("UNAVAILABLE", "the server ended the stream"))
        except ZerothError as error:
            self._fail(error)

    def _receive(self, response: wire.DriveResponse) -> None:
        if response.HasField("window"):
            self._window = response.window.steps
            return
        answer = self._under_way.pop(response.tag, None)
        # A step that its caller gave up keeps its place until now: the server was still at it.
        if answer is None or answer.done():
            return
        if response.HasField("error"):
            answer.set_exception(from_status(response.error))
        else:
            answer.set_result(response.step)

    def _fail(self, error: ZerothError) -> None:
        self.is_over = True
        for answer in [*self._under_way.values(), *(answer for _, answer in self._waiting)]:
            if not answer.done():
                answer.set_exception(error)
        self._under_way.clear()
        self._waiting.clear()
