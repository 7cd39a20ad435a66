"""How to reach a server: what a channel is made of, blocking or asynchronous."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

import grpc

from .retry import RetryPolicy

# gRPC's own would be a second and more between attempts to connect, and no notice of a peer that vanished without a word.
_CHANNEL = {
    "grpc.initial_reconnect_backoff_ms": 50,
    "grpc.min_reconnect_backoff_ms": 50,
    "grpc.max_reconnect_backoff_ms": 1000,
    "grpc.keepalive_time_ms": 30_000,
    "grpc.keepalive_timeout_ms": 10_000,
    # What may be sent again is known here better than there.
    "grpc.enable_retries": 0,
}


@dataclass(frozen=True)
class Connection:
    """See `zeroth.connect`."""

    address: str
    tls: bool = False
    root_certificates: bytes | str | os.PathLike[str] | None = None
    token: str | None = field(default=None, repr=False)
    timeout: float | None = None
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    receive_bytes_max: int = 64 * 2**20

    @property
    def credentials(self) -> grpc.ChannelCredentials | None:
        """None means plain text."""
        if not self.tls and self.root_certificates is None:
            return None
        roots = self.root_certificates
        if roots is not None and not isinstance(roots, bytes):
            with open(roots, "rb") as file:
                roots = file.read()
        return grpc.ssl_channel_credentials(root_certificates=roots)

    @property
    def options(self) -> list[tuple[str, int]]:
        return [*_CHANNEL.items(), ("grpc.max_receive_message_length", self.receive_bytes_max)]

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What goes with every call."""
        return () if self.token is None else (("authorization", f"Bearer {self.token}"),)
