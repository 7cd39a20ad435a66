"""A server that answers as it is told, and remembers what it was asked: for what no real one does when it should."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
from google.protobuf.message import Message


class StandIn(grpc.GenericRpcHandler):
    """Every call is UNAVAILABLE, or waits until it is given up; a stream may have a first answer before.

    Attributes:
        calls: how many came, by path.
        given_up: set once a call that waited has ended.
    """

    def __init__(self, *, is_silent: bool = False, first: Message | None = None) -> None:
        self.calls: Counter[str] = Counter()
        self.tokens: list[str | None] = []
        self.arrived = threading.Event()
        self.given_up = threading.Event()
        self._is_silent = is_silent
        self._first = first

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any]:
        self.calls[handler_call_details.method] += 1
        metadata = dict(handler_call_details.invocation_metadata or ())
        token = metadata.get("authorization")
        self.tokens.append(token if isinstance(token, str) else None)
        if handler_call_details.method.endswith(("/CreateDataset", "/ImportStudy")):
            return grpc.stream_unary_rpc_method_handler(self._answer)
        if self._first is not None:
            return grpc.unary_stream_rpc_method_handler(self._stream)
        return grpc.unary_unary_rpc_method_handler(self._answer)

    def _answer(self, _: object, context: grpc.ServicerContext) -> bytes:
        if self._is_silent:
            self._watch(context)
            self.arrived.set()
            self.given_up.wait()
        context.abort(grpc.StatusCode.UNAVAILABLE, "the answer was lost")

    def _stream(self, request: object, context: grpc.ServicerContext) -> Iterator[bytes]:
        assert self._first is not None
        # Before the answer: whoever gives up upon it may be faster than what comes behind.
        self._watch(context)
        yield self._first.SerializeToString()
        self._answer(request, context)

    def _watch(self, context: grpc.ServicerContext) -> None:
        if not context.add_callback(self.given_up.set):
            self.given_up.set()


@contextmanager
def standing_in(handler: StandIn, credentials: grpc.ServerCredentials | None = None) -> Iterator[str]:
    """Its address."""
    server = grpc.server(ThreadPoolExecutor(4), handlers=[handler])
    port = server.add_secure_port("127.0.0.1:0", credentials) if credentials else server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()
