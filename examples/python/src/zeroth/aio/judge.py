"""An objective that this process computes for the server, asynchronous."""

from __future__ import annotations

import asyncio
import inspect  # async only
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

import grpc
import numpy as np
import numpy.typing as npt

from .. import wire
from ..checks import function, message
from ..errors import ZerothError
from ..points import to_outputs
from ..retry import is_worth_retrying
from ..tensors import Array, to_arrays
from .channel import Channel
from .streams import Duplex

Losses: TypeAlias = npt.ArrayLike
Score: TypeAlias = "Callable[[dict[str, Array], dict[str, Array]], Losses | Awaitable[Losses]]"
Stream: TypeAlias = "Duplex[wire.ServeObjectiveRequest, wire.ServeObjectiveResponse]"


class Judge:
    """Made by `client.judge`."""

    def __init__(self, channel: Channel, name: str, score: Score, *, outputs: Sequence[str], tensors: Sequence[str]) -> None:
        self._channel = channel
        function("score", score)
        self._score = score
        self._served = message(wire.ServedObjective, name=name, outputs=to_outputs(outputs), tensors=tensors, requests=1)
        self._stream: Stream | None = None
        self._is_closed = False

    async def serve(self, on_served: Callable[[], None] = lambda: None) -> None:
        """Scores what comes, one request after the other, until it is closed. Comes back by itself where the server restarts.

        Args:
            on_served: called when requests may come, at first and after each return.

        Raises:
            ZerothError: where the server refuses it for good.
        """
        wait = self._channel.connection.retry.delay
        while not self._is_closed:
            try:
                await self._serve_once(on_served)
            except ZerothError as error:
                if self._is_closed:
                    return
                if not is_worth_retrying(error):
                    raise
            await asyncio.sleep(wait)

    def close(self) -> None:
        """Ends `serve`, from another thread or task; what is being scored goes to another client."""
        self._is_closed = True
        if self._stream is not None:
            self._stream.cancel()

    async def _serve_once(self, on_served: Callable[[], None]) -> None:
        stream = self._stream = self._channel.duplex(wire.ObjectiveService.ServeObjective)
        try:
            if self._is_closed:  # Since `serve` looked: that `close` did not have this stream.
                return
            await stream.write(wire.ServeObjectiveRequest(objective=self._served))
            async for response in stream:
                if response.HasField("served"):
                    on_served()
                else:
                    await stream.write(wire.ServeObjectiveRequest(score=await self._scored(response.request)))
        finally:
            stream.cancel()

    async def _scored(self, request: wire.ScoreRequest) -> wire.Score:
        """Whatever goes wrong is the error of this evaluation, and not the end of the judge."""
        result = wire.Score(id=request.id)
        try:
            losses = self._score(to_arrays(request.outputs), to_arrays(request.tensors))
            if inspect.isawaitable(losses):  # async only
                losses = await losses  # async only
            values = np.asarray(losses, np.float64)
            if values.ndim == 0:
                result.mean.loss = float(values)
            else:
                result.losses.values.extend(values.tolist())
        except Exception as error:
            result.error.code = grpc.StatusCode.UNKNOWN.value[0]
            result.error.message = f"{type(error).__name__}: {error}"
        return result
