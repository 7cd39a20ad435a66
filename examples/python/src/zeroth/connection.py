"""How a server is reached: over TLS or not, as whom, and how patiently."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

import grpc

from .address import check_address, is_local
from .checks import number, path, shown, whole
from .retry import RetryPolicy

Pem: TypeAlias = "bytes | str | os.PathLike[str]"
"""A PEM file's path, or what is in it as bytes."""

Token: TypeAlias = "str | Callable[[], str]"
"""A token, or what gives one: it is asked before every attempt."""

# gRPC's own would be a second and more between attempts to connect, and no notice of a peer that vanished without a word.
_CHANNEL = {
    "grpc.initial_reconnect_backoff_ms": 50,
    "grpc.max_reconnect_backoff_ms": 1000,
    "grpc.keepalive_timeout_ms": 10_000,
    # A stream on which nothing comes for long is checked as often as any other.
    "grpc.http2.max_pings_without_data": 0,
    # What may be sent again is known here better than there.
    "grpc.enable_retries": 0,
}

_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")


@dataclass(frozen=True)
class Connection:
    """See `zeroth.connect`. Raises ValueError or TypeError naming the option, OSError where a certificate's file cannot be read."""

    address: str
    tls: bool = False
    tls_ca: Pem | None = None
    tls_cert: Pem | None = None
    tls_key: Pem | None = None
    token: Token | None = field(default=None, repr=False)
    timeout: float | None = None
    keepalive: float = 30.0
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    receive_bytes_max: int = 64 * 2**20

    def __post_init__(self) -> None:
        check_address(self.address)
        if not isinstance(self.tls, bool):
            raise TypeError(f"tls: expected True or False, got {shown(self.tls)}; tls_ca takes a certificate")
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError(f"tls_cert: expected one with tls_key, got {'a key' if self.tls_cert is None else 'a certificate'} alone")
        if self.timeout is not None and not number("timeout", self.timeout) > 0:
            raise ValueError(f"timeout: expected more than 0 seconds, got {self.timeout}")
        if not number("keepalive", self.keepalive) >= 1:
            raise ValueError(f"keepalive: expected at least 1 second, got {self.keepalive}")
        if not whole("receive_bytes_max", self.receive_bytes_max) >= 1:
            raise ValueError(f"receive_bytes_max: expected at least 1, got {self.receive_bytes_max}")
        if not isinstance(self.retry, RetryPolicy):
            raise TypeError(f"retry: expected a RetryPolicy, got {shown(self.retry)}")
        if self.token is not None:
            self._check_token(self.token)

    def _check_token(self, token: Token) -> None:
        if not callable(token):
            _bearer(token)
        # gRPC's own credentials do the same: a token in plain text is everybody's on the way.
        if not self.is_encrypted and not is_local(self.address):
            raise ValueError(f"token: expected tls=True beside it, or an address on this machine, got plain text to {self.address}")

    @property
    def is_encrypted(self) -> bool:
        return self.tls or self.tls_ca is not None or self.tls_cert is not None

    @property
    def credentials(self) -> grpc.ChannelCredentials | None:
        """None means plain text."""
        if not self.is_encrypted:
            return None
        return grpc.ssl_channel_credentials(_read("tls_ca", self.tls_ca), _read("tls_key", self.tls_key), _read("tls_cert", self.tls_cert))

    @property
    def options(self) -> list[tuple[str, int]]:
        own = {
            "grpc.keepalive_time_ms": round(1000 * self.keepalive),
            "grpc.max_receive_message_length": self.receive_bytes_max,
        }
        return list({**_CHANNEL, **own}.items())

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What goes with every call."""
        if self.token is None:
            return ()
        return (("authorization", _bearer(self.token() if callable(self.token) else self.token)),)


def _bearer(token: str) -> str:
    """Raises ValueError, without the token."""
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        raise ValueError("token: expected letters, digits and - . _ ~ + /, got another text")
    return f"Bearer {token}"


def _read(field: str, pem: Pem | None) -> bytes | None:
    if pem is None or isinstance(pem, bytes):
        return pem
    if isinstance(pem, str) and pem.startswith("-----BEGIN"):
        raise ValueError(f"{field}: expected the path of a PEM file or its bytes, got what is in one as a text")
    with open(path(field, pem, or_bytes=True), "rb") as file:
        return file.read()
