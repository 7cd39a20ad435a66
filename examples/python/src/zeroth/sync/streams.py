"""Streams in both directions, blocking."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import Any, Generic

import grpc

from ..errors import from_call
from ..method import Request, Response


class Duplex(Generic[Request, Response]):
    """Opens with its making. Writing to one that is over does nothing: reading says why."""

    def __init__(self, ask: Callable[..., Any], metadata: tuple[tuple[str, str], ...]) -> None:
        self._requests: SimpleQueue[Request | None] = SimpleQueue()
        # gRPC takes what goes out from this iterator, in a thread of its own.
        self._call = ask(iter(self._requests.get, None), metadata=metadata)

    def write(self, request: Request) -> None:
        self._requests.put(request)

    def __iter__(self) -> Iterator[Response]:
        try:
            yield from self._call
        except grpc.RpcError as error:
            raise from_call(error) from None

    def end(self) -> None:
        """No more requests; answers may still come."""
        self._requests.put(None)

    def cancel(self) -> None:
        self._call.cancel()
        self._requests.put(None)
