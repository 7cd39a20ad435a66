"""What a call says when it fails: the code, and the google.rpc details that came with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, ResourceInfo, RetryInfo
from google.rpc.status_pb2 import Status

TLS_FAILED = "TLS_FAILED"
"""The reason of a connection that came to nothing and will not come to more: nothing was sent."""

_OF_CLIENT = "tls_cert, tls_key: expected a certificate that the server asks for and trusts, got none or another"

# What gRPC says of a connection that it could not make, and what that means in words of `connect`; the first that is there. gRPC has a text and no
# code for it, the same from grpcio 1.66 on: names of BoringSSL's errors, and of its own.
_TLS = {
    "CERTIFICATE_VERIFY_FAILED": "the server's certificate: expected one that tls_ca vouches for, or without it the authorities that grpcio comes with",
    "Hostname Verification Check failed": "the server's certificate: expected one for the name in the address, got one for others",
    "Failed to create security handshaker": "tls_ca, tls_cert, tls_key: expected certificates and a key as PEM, got something else",
    "WRONG_VERSION_NUMBER": "tls: expected a server with a certificate, got one that talks in plain text",
    "ALERT_UNKNOWN_CA": _OF_CLIENT,
    "ALERT_HANDSHAKE_FAILURE": _OF_CLIENT,
    # The alert of a server that speaks TLS 1.3: the client's side of the handshake is over when it comes.
    "Unwrap failed": _OF_CLIENT,
    "TSI_PROTOCOL_FAILURE": "tls: expected a handshake, got an error in it",
}

# A server that closes without an alert, as Node.js does for a certificate that it does not trust, may be one that is going down as well.
_CLOSED = ("Socket closed", "Connection reset by peer")
_CLOSED_BY = (
    "the server closed the connection before it said anything: it may want a client's certificate (tls_cert, tls_key) and have got none, or one"
    " that it does not trust; or it has a certificate itself, and was talked to in plain text (tls, tls_ca)"
)

_CODES = {code.value[0]: code.name for code in grpc.StatusCode}


@dataclass(frozen=True)
class FieldViolation:
    """A field of a request that is at fault, and what was expected and came."""

    field: str
    description: str


@dataclass(frozen=True)
class Details:
    reason: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    violations: tuple[FieldViolation, ...] = ()
    resource: str | None = None
    retry_after: float | None = None


class ZerothError(Exception):
    """A call that failed.

    Attributes:
        code: of the status, "NOT_FOUND".
        message: the server's.
        reason: more precise than the code, "REVISION_MISMATCH"; empty where the server gave none. "TLS_FAILED" is the client's own: there
            was no connection, because of certificates.
        metadata: facts for machines by name, such as {"expected": "3", "head": "5"}.
        violations: the request's fields at fault.
        resource: the full name of what is missing, taken or failed.
        retry_after: seconds to wait before trying again; None where the server does not say that this can help.
    """

    def __init__(self, code: str, message: str, details: Details | None = None) -> None:
        details = details or Details()
        self.code = code
        self.message = message
        self.reason = details.reason
        self.metadata = details.metadata
        self.violations = details.violations
        self.resource = details.resource
        self.retry_after = details.retry_after
        super().__init__(self._rendered())

    def _rendered(self) -> str:
        lines = [f"{self.code}{f' ({self.reason})' if self.reason not in ('', self.code) else ''}: {self.message}"]
        # A message with one violation mostly is that violation.
        lines += [f"  {each.field}: {each.description}" for each in self.violations if each.description not in self.message]
        if self.retry_after is not None:
            lines.append(f"  the server asks to wait {self.retry_after:g} s before trying again")
        return "\n".join(lines)


def from_call(error: grpc.RpcError) -> ZerothError:
    """Of grpc's own error, blocking or asynchronous. Details that cannot be read are left out: the code still tells."""
    details = Details()
    trailers: Any = error.trailing_metadata() or ()
    for key, value in trailers:
        if key == "grpc-status-details-bin":
            try:
                details = _collect(Status.FromString(value).details)
            except DecodeError:  # A proxy on the way may answer with bytes of its own under this name.
                pass
    message = error.details() or ""
    return _of_tls(message) or ZerothError(error.code().name, message, details)


def _of_tls(message: str) -> ZerothError | None:
    """Also of what only may be about certificates, which has no reason, and is tried again."""
    if not message.startswith("failed to connect to all addresses"):
        return None
    for said, meant in _TLS.items():
        if said in message:
            return ZerothError("UNAVAILABLE", f"{meant}; {message}", Details(reason=TLS_FAILED))
    return ZerothError("UNAVAILABLE", f"{_CLOSED_BY}; {message}") if any(said in message for said in _CLOSED) else None


def from_status(status: Status) -> ZerothError:
    """Of an error that came as a message, on a stream that goes on."""
    return ZerothError(_CODES.get(status.code, "UNKNOWN"), status.message, _collect(status.details))


def _collect(packed: Iterable[Packed]) -> Details:
    found: dict[str, Any] = {}
    info, bad, about, retry = ErrorInfo(), BadRequest(), ResourceInfo(), RetryInfo()
    for detail in packed:
        if detail.Unpack(info):
            found.update(reason=info.reason, metadata=dict(info.metadata))
        elif detail.Unpack(bad):
            found.update(violations=tuple(FieldViolation(each.field, each.description) for each in bad.field_violations))
        elif detail.Unpack(about):
            found.update(resource=about.resource_name)
        elif detail.Unpack(retry):
            found.update(retry_after=retry.retry_delay.ToTimedelta().total_seconds())
    return Details(**found)
