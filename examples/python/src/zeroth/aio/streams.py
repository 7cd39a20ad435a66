"""Streams in both directions, asynchronous."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, Generic

import grpc
import grpc.aio

from ..errors import from_call
from ..method import Request, Response


class Duplex(Generic[Request, Response]):
    """Opens with its making. Writing to one that is over does nothing: reading says why."""

    def __init__(self, ask: Callable[..., Any], metadata: tuple[tuple[str, str], ...]) -> None:
        self._call = ask(metadata=metadata)
        # gRPC takes one write at a time.
        self._writing = asyncio.Lock()

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
        except grpc.RpcError as error:
            raise from_call(error) from None

    async def end(self) -> None:
        """No more requests; answers may still come."""
        await self._call.done_writing()

    def cancel(self) -> None:
        self._call.cancel()
