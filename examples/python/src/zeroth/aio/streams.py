"""Streams in both directions, asynchronous."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, Generic

import grpc
import grpc.aio

from ..errors import ZerothError, from_call
from ..method import Request, Response

_BROKE_IN_WRITING = "Internal error from Core"
_LOOKS = 100
_LOOK_SECONDS = 0.01


class Duplex(Generic[Request, Response]):
    """Opens with its making. Writing to one that is over does nothing: reading says why."""

    def __init__(self, ask: Callable[..., Any], metadata: tuple[tuple[str, str], ...]) -> None:
        self._call = ask(metadata=metadata)
        # gRPC takes one write at a time.
        self._writing = asyncio.Lock()
        self._is_cancelled = False

    async def write(self, request: Request) -> None:
        try:
            async with self._writing:
                await self._call.write(request)
        except (grpc.RpcError, grpc.aio.UsageError, asyncio.InvalidStateError):
            pass

    async def __aiter__(self) -> AsyncIterator[Response]:
        try:
            async for answer in self._call:
                yield answer
        except grpc.RpcError:
            raise await self._reason() from None
        except asyncio.CancelledError:
            # gRPC's word for both: the task that reads, or the stream.
            if self._is_cancelled:
                raise ZerothError("CANCELLED", "the stream was closed") from None
            raise

    async def _reason(self) -> ZerothError:
        """Of a stream that breaks while it is written to gRPC says INTERNAL at first, and a moment later what it was."""
        for _ in range(_LOOKS):
            code, said = await self._call.code(), await self._call.details()
            if said != _BROKE_IN_WRITING:
                return from_call(grpc.aio.AioRpcError(code, grpc.aio.Metadata(), await self._call.trailing_metadata(), said))
            await asyncio.sleep(_LOOK_SECONDS)
        return ZerothError("UNAVAILABLE", "the stream broke while a message was written to it")

    async def end(self) -> None:
        """No more requests; answers may still come."""
        await self._call.done_writing()

    def cancel(self) -> None:
        self._is_cancelled = True
        self._call.cancel()
