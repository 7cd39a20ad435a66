"""Calls over one connection: errors as ZerothError, tries again where that can do no harm."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import replace
from typing import Any, TypeVar

import grpc
import grpc.aio  # async only

from ..connection import Connection
from ..errors import ZerothError, from_call
from ..feeding import Feeding
from ..method import Method, Request, Response
from ..retry import Attempts
from .streams import Duplex

Answer = TypeVar("Answer")


class Channel:
    """Nothing is sent before the first call.

    What gRPC raised is the context of each ZerothError, and is not printed with it: it says the same, at length.
    """

    def __init__(self, connection: Connection, opened: grpc.aio.Channel | None = None) -> None:
        self.connection = connection
        self._grpc = opened or _open(connection)

    def within(self, seconds: float | None) -> Channel:
        """The same connection, with another limit on each attempt."""
        return Channel(replace(self.connection, timeout=seconds), self._grpc)

    async def close(self) -> None:
        await self._grpc.close()

    async def call(self, method: Method[Request, Response], request: Request, *, repeatable: bool) -> Response:
        """One request, one answer. `repeatable`: sent again where the answer was lost."""
        ask = self._grpc.unary_unary(
            method.path,
            request_serializer=method.request.SerializeToString,
            response_deserializer=method.response.FromString,
        )

        async def attempt() -> Response:
            try:
                return await ask(request, timeout=self.connection.timeout, metadata=self.connection.metadata)
            except grpc.RpcError as error:
                raise from_call(error) from None

        return await (self.repeat(attempt) if repeatable else attempt())

    async def repeat(self, attempt: Callable[[], Awaitable[Answer]], attempts: Attempts | None = None) -> Answer:
        """The first answer that comes, or the last error. `attempts` knows afterwards what became of those before."""
        attempts = attempts or Attempts(self.connection.retry)
        while True:
            try:
                return await attempt()
            except ZerothError as error:
                wait = attempts.wait_after(error)
            await asyncio.sleep(wait)

    async def stream(self, method: Method[Request, Response], request: Request, *, is_endless: bool = False) -> AsyncIterator[Response]:
        """One request, many answers; leaving the loop ends the call. One without an end has no limit of time."""
        ask = self._grpc.unary_stream(
            method.path,
            request_serializer=method.request.SerializeToString,
            response_deserializer=method.response.FromString,
        )
        answers = ask(request, timeout=None if is_endless else self.connection.timeout, metadata=self.connection.metadata)
        try:
            async for answer in answers:
                yield answer
        except grpc.RpcError as error:
            raise from_call(error) from None
        finally:
            answers.cancel()

    async def follow(
        self, method: Method[Request, Response], request: Request, behind: Callable[[Request, Response], None]
    ) -> AsyncIterator[Response]:
        """A stream without an end. Where it breaks it is opened again: `behind` makes the request one for what comes after an answer."""
        attempts = Attempts(self.connection.retry)
        while True:
            try:
                async for answer in self.stream(method, request, is_endless=True):
                    behind(request, answer)
                    attempts = Attempts(self.connection.retry)
                    yield answer
                return
            except ZerothError as error:
                wait = attempts.wait_after(error)
            await asyncio.sleep(wait)

    async def send(self, method: Method[Request, Response], requests: Callable[[], Iterable[Request]], *, repeatable: bool) -> Response:
        """Many requests, one answer. `requests` gives them anew for each attempt."""
        ask = self._grpc.stream_unary(
            method.path,
            request_serializer=method.request.SerializeToString,
            response_deserializer=method.response.FromString,
        )

        async def attempt() -> Response:
            feeding = Feeding(requests())
            try:
                return await ask(iter(feeding), timeout=self.connection.timeout, metadata=self.connection.metadata)
            except grpc.RpcError as error:
                raise from_call(error) from None
            finally:
                feeding.check()

        return await (self.repeat(attempt) if repeatable else attempt())

    def duplex(self, method: Method[Request, Response]) -> Duplex[Request, Response]:
        """Many requests, many answers, without a limit of time."""
        ask = self._grpc.stream_stream(
            method.path,
            request_serializer=method.request.SerializeToString,
            response_deserializer=method.response.FromString,
        )
        return Duplex(ask, self.connection.metadata)

    async def pages(self, method: Method[Request, Response], request: Request) -> AsyncIterator[Response]:
        """Every page of a list."""
        # Requests of lists have a page_token, and their answers a next_page_token.
        following: Any = request
        while True:
            page: Any = await self.call(method, request, repeatable=True)
            yield page
            if not page.next_page_token:
                return
            following.page_token = page.next_page_token


def _open(connection: Connection) -> grpc.aio.Channel:
    credentials = connection.credentials
    if credentials is None:
        return grpc.aio.insecure_channel(connection.address, options=connection.options)
    return grpc.aio.secure_channel(connection.address, credentials, options=connection.options)
