"""A study as a file, on its way to a server."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from typing import IO

from . import wire
from .checks import message, path

PIECE_BYTES = 2**20


def import_requests(source: str | os.PathLike[str] | bytes, study_id: str) -> Iterator[wire.ImportStudyRequest]:
    """A header, then pieces. Raises OSError here where the file cannot be read: gRPC, which asks for them, would say that something is wrong."""
    header = message(wire.ImportStudyHeader, study_id=study_id)
    path("source", source, or_bytes=True)
    return _requests(io.BytesIO(source) if isinstance(source, bytes) else open(source, "rb"), header)


def _requests(file: IO[bytes], header: wire.ImportStudyHeader) -> Iterator[wire.ImportStudyRequest]:
    with file:
        yield wire.ImportStudyRequest(header=header)
        while data := file.read(PIECE_BYTES):
            yield wire.ImportStudyRequest(data=data)
