"""A file that comes in pieces: written beside its place, and put there once all of it has the digest that was announced."""

from __future__ import annotations

import hashlib
import os
import tempfile
from typing import IO

from . import wire
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
        self._path = None if path is None else os.fspath(path)
        self._header: wire.ExportHeader | None = None
        self._digest = hashlib.sha256()
        self._pieces: list[bytes] = []
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Download:
        if self._path is not None:
            folder, name = os.path.split(os.path.abspath(self._path))
            self._file = tempfile.NamedTemporaryFile(dir=folder, prefix=f"{name}.", suffix=".partial", delete=False)
        return self

    def take(self, piece: wire.ExportRunResponse) -> None:
        if piece.HasField("header"):
            self._header = piece.header
            return
        self._digest.update(piece.data)
        if self._file is None:
            self._pieces.append(piece.data)
        else:
            self._file.write(piece.data)

    def finish(self) -> wire.ExportHeader:
        """Raises ZerothError (DATA_LOSS) where this is not the file that was announced."""
        expected = "a header" if self._header is None else self._header.sha256
        if self._header is None or self._digest.hexdigest() != expected:
            raise ZerothError("DATA_LOSS", f"export: expected SHA-256 {expected}, got {self._digest.hexdigest()}")
        if self._file is not None and self._path is not None:
            self._file.close()
            os.chmod(self._file.name, 0o666 & ~_umask())
            os.replace(self._file.name, self._path)
            self._file = None
        return self._header

    def content(self) -> bytes:
        return b"".join(self._pieces)

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()
            os.unlink(self._file.name)


def _umask() -> int:
    """There is no way to read it but to set it. Temporary files are their owner's alone; a model is as readable as other files are."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
