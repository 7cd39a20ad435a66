"""A server that answers as it is told, and remembers what it was asked: for what no real one does when it should."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import ErrorInfo, ResourceInfo
from google.rpc.status_pb2 import Status

from zeroth import wire

LOST = Status(code=grpc.StatusCode.UNAVAILABLE.value[0], message="the answer was lost")
# Of what is not read no more than these bytes come; gRPC would take megabytes of a fast network.
_WINDOW = [("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 65536)]
_CODES = {code.value[0]: code for code in grpc.StatusCode}


def refusal(code: grpc.StatusCode, reason: str, taken: str = "") -> Status:
    """`taken`: the full name of what is there already."""
    status = Status(code=code.value[0], message=f"because of {reason}")
    status.details.add().Pack(ErrorInfo(reason=reason))
    if taken:
        status.details.add().Pack(ResourceInfo(resource_name=taken))
    return status


class StandIn(grpc.GenericRpcHandler):
    """Every call is UNAVAILABLE, or waits until it is given up; a stream may have a first answer before.

    Args:
        faults: how the first calls end instead, in order; those behind them have answers, by method, or empty ones.

    Attributes:
        calls: how many came, by path.
        order: their paths as they came.
        given_up: set once a call that waited has ended.
    """

    def __init__(
        self,
        *,
        is_silent: bool = False,
        first: Message | None = None,
        faults: Sequence[Status] | None = None,
        answers: Mapping[str, Message] | None = None,
    ) -> None:
        self.calls: Counter[str] = Counter()
        self.order: list[str] = []
        self.tokens: list[str | None] = []
        self.arrived = threading.Event()
        self.given_up = threading.Event()
        self._is_silent = is_silent
        self._first = first
        self._faults = None if faults is None else list(faults)
        self._answers = answers or {}

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any]:
        self.calls[handler_call_details.method] += 1
        self.order.append(handler_call_details.method)
        metadata = dict(handler_call_details.invocation_metadata or ())
        token = metadata.get("authorization")
        self.tokens.append(token if isinstance(token, str) else None)
        if handler_call_details.method.endswith(("/CreateDataset", "/ImportStudy")):
            return grpc.stream_unary_rpc_method_handler(self._take)
        if self._first is not None:
            return grpc.unary_stream_rpc_method_handler(self._stream)
        method = handler_call_details.method.rsplit("/", 1)[1]
        return grpc.unary_unary_rpc_method_handler(lambda request, context: self._answer(request, context, method))

    def _take(self, requests: Iterator[object], context: grpc.ServicerContext) -> bytes:
        return self._answer(list(requests), context)

    def _answer(self, _: object, context: grpc.ServicerContext, method: str = "") -> bytes:
        if self._is_silent:
            self._watch(context)
            self.arrived.set()
            self.given_up.wait()
        if self._faults == []:
            return self._answers[method].SerializeToString() if method in self._answers else b""
        status = self._faults.pop(0) if self._faults else LOST
        context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
        context.abort(_CODES[status.code], status.message)

    def _stream(self, request: object, context: grpc.ServicerContext) -> Iterator[bytes]:
        assert self._first is not None
        # Before the answer: whoever gives up upon it may be faster than what comes behind.
        self._watch(context)
        yield self._first.SerializeToString()
        self._answer(request, context)

    def _watch(self, context: grpc.ServicerContext) -> None:
        if not context.add_callback(self.given_up.set):
            self.given_up.set()


class SlowReader(grpc.GenericRpcHandler):
    """A Drive stream with room for eight steps, which behind the first reads nothing until it may, and evaluates tag N at revision N."""

    def __init__(self) -> None:
        self.may_read = threading.Event()

    def service(self, _: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any]:
        return grpc.stream_stream_rpc_method_handler(self._drive, wire.DriveRequest.FromString, wire.DriveResponse.SerializeToString)

    def _drive(self, requests: Iterator[wire.DriveRequest], context: grpc.ServicerContext) -> Iterator[wire.DriveResponse]:
        # A call that is over is not waited for.
        context.add_callback(self.may_read.set)
        yield wire.DriveResponse(window=wire.DriveWindow(steps=8))
        for request in requests:
            step = wire.StepResponse(evaluate=wire.EvaluateResponse(revision=request.tag))
            yield wire.DriveResponse(tag=request.tag, step=step)
            self.may_read.wait()


@contextmanager
def standing_in(handler: grpc.GenericRpcHandler, credentials: grpc.ServerCredentials | None = None) -> Iterator[str]:
    """Its address."""
    server = grpc.server(ThreadPoolExecutor(4), handlers=[handler], options=_WINDOW)
    port = server.add_secure_port("127.0.0.1:0", credentials) if credentials else server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()
