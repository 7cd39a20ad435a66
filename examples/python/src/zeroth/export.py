"""What a run exports, whose digest is announced before it."""

from __future__ import annotations

import hashlib
import os

from . import wire
from .arriving import Arriving
from .errors import ZerothError

FORMATS = {
    "onnx": wire.EXPORT_FORMAT_ONNX,
    "onnx-merged": wire.EXPORT_FORMAT_ONNX_MERGED,
    "safetensors": wire.EXPORT_FORMAT_SAFETENSORS,
    "journal": wire.EXPORT_FORMAT_JOURNAL,
}


class Download:
    """Leaves nothing behind where it is left before `finish`. Without a path it stays in memory, as `content`."""

    def __init__(self, path: str | os.PathLike[str] | None) -> None:
        self._file = Arriving(path)
        self._header: wire.ExportHeader | None = None
        self._digest = hashlib.sha256()

    def __enter__(self) -> Download:
        self._file.__enter__()
        return self

    def take(self, piece: wire.ExportRunResponse) -> None:
        if piece.HasField("header"):
            self._header = piece.header
            return
        self._digest.update(piece.data)
        self._file.write(piece.data)

    def finish(self) -> wire.ExportHeader:
        """Raises ZerothError (DATA_LOSS) where this is not the file that was announced."""
        expected = "a header" if self._header is None else self._header.sha256
        if self._header is None or self._digest.hexdigest() != expected:
            raise ZerothError("DATA_LOSS", f"export: expected SHA-256 {expected}, got {self._digest.hexdigest()}")
        self._file.keep()
        return self._header

    def content(self) -> bytes:
        return self._file.content()

    def __exit__(self, *_: object) -> None:
        self._file.__exit__()
