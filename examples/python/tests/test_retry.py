"""What is tried again, how often and when; and what errors say."""

from __future__ import annotations

import typing
from collections.abc import Iterator

import grpc
import pytest
from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, ResourceInfo, RetryInfo
from google.rpc.status_pb2 import Status

import zeroth
from zeroth import RetryPolicy, ZerothError
from zeroth.errors import Details, from_call, from_status
from zeroth.retry import Attempts, is_worth_retrying

POLICY = RetryPolicy(attempts_max=6, total_max=10.0, delay=0.5, delay_max=2.0)


def unavailable(retry_after: float | None = None) -> ZerothError:
    return ZerothError("UNAVAILABLE", "loading", Details(retry_after=retry_after))


def test_waits_double_up_to_a_limit_and_attempts_end() -> None:
    attempts = Attempts(POLICY, clock=lambda: 0.0)
    assert [attempts.wait_after(unavailable()) for _ in range(5)] == [0.5, 1.0, 2.0, 2.0, 2.0]
    with pytest.raises(ZerothError, match="UNAVAILABLE: loading"):
        attempts.wait_after(unavailable())


def test_the_server_may_ask_for_a_longer_wait_but_not_a_shorter_one() -> None:
    attempts = Attempts(POLICY, clock=lambda: 0.0)
    assert attempts.wait_after(unavailable(3.0)) == 3.0
    assert attempts.wait_after(unavailable(0.1)) == 1.0


def test_no_wait_begins_that_would_end_too_late() -> None:
    times: Iterator[float] = iter([100.0, 109.4, 109.6])
    attempts = Attempts(POLICY, clock=lambda: next(times))
    assert attempts.wait_after(unavailable()) == 0.5
    with pytest.raises(ZerothError):
        attempts.wait_after(unavailable())


def test_a_limit_that_waiting_does_not_lift_is_not_waited_for() -> None:
    full = ZerothError("RESOURCE_EXHAUSTED", "the queue is full", Details(retry_after=0.2))
    assert Attempts(POLICY, clock=lambda: 0.0).wait_after(full) == 0.5
    for code in ("RESOURCE_EXHAUSTED", "INTERNAL", "ABORTED", "NOT_FOUND", "DEADLINE_EXCEEDED"):
        with pytest.raises(ZerothError, match=code):
            Attempts(POLICY, clock=lambda: 0.0).wait_after(ZerothError(code, "no"))


def status(*details: Message) -> Status:
    packed = []
    for detail in details:
        packed.append(Any())
        packed[-1].Pack(detail)
    return Status(code=grpc.StatusCode.ABORTED.value[0], message="the head has moved", details=packed)


def test_errors_hold_what_the_server_said() -> None:
    error = from_status(
        status(
            ErrorInfo(reason="REVISION_MISMATCH", metadata={"expected": "3", "head": "5"}),
            BadRequest(field_violations=[BadRequest.FieldViolation(field="shifts", description="expected 1, got 0")]),
            ResourceInfo(resource_name="runs/first"),
            RetryInfo(retry_delay=Duration(seconds=1, nanos=500_000_000)),
        )
    )
    assert (error.code, error.reason, error.metadata["head"], error.resource, error.retry_after) == (
        "ABORTED",
        "REVISION_MISMATCH",
        "5",
        "runs/first",
        1.5,
    )
    assert error.violations == (zeroth.FieldViolation("shifts", "expected 1, got 0"),)
    assert str(error).splitlines() == [
        "ABORTED (REVISION_MISMATCH): the head has moved",
        "  shifts: expected 1, got 0",
        "  the server asks to wait 1.5 s before trying again",
    ]


def test_details_that_cannot_be_read_are_left_out() -> None:
    class Broken(grpc.RpcError):
        def code(self) -> grpc.StatusCode:
            return grpc.StatusCode.UNAVAILABLE

        def details(self) -> str:
            return "a proxy's"

        def trailing_metadata(self) -> typing.Any:
            return (("grpc-status-details-bin", b"\xff\xff"),)

    error = from_call(Broken())
    assert (str(error), error.reason) == ("UNAVAILABLE: a proxy's", "")


def test_what_a_proxy_says_of_certificates_behind_it_may_pass() -> None:
    class OfProxy(grpc.RpcError):
        def code(self) -> grpc.StatusCode:
            return grpc.StatusCode.UNAVAILABLE

        def details(self) -> str:
            return "upstream connect error: CERTIFICATE_VERIFY_FAILED"

        def trailing_metadata(self) -> typing.Any:
            return ()

    error = from_call(OfProxy())
    assert (error.reason, is_worth_retrying(error)) == ("", True)


def test_a_server_that_is_not_there_is_waited_for_as_long_as_the_policy_says() -> None:
    policy = RetryPolicy(attempts_max=3, delay=0.01)
    with zeroth.connect("127.0.0.1:1", retry=policy) as client, pytest.raises(ZerothError) as raised:
        client.info()
    assert raised.value.code == "UNAVAILABLE"
