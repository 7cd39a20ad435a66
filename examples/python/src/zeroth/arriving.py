"""A file that comes in pieces: written beside its place, and put there once all of it is there."""

from __future__ import annotations

import os
import tempfile
from typing import IO


class Arriving:
    """Leaves nothing behind where it is left before `keep`. Without a path it stays in memory, as `content`."""

    def __init__(self, path: str | os.PathLike[str] | None) -> None:
        self._path = None if path is None else os.fspath(path)
        self._pieces: list[bytes] = []
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Arriving:
        if self._path is not None:
            folder, name = os.path.split(os.path.abspath(self._path))
            self._file = tempfile.NamedTemporaryFile(dir=folder, prefix=f"{name}.", suffix=".partial", delete=False)
        return self

    def write(self, data: bytes) -> None:
        if self._file is None:
            self._pieces.append(data)
        else:
            self._file.write(data)

    def keep(self) -> None:
        if self._file is not None and self._path is not None:
            self._file.close()
            os.chmod(self._file.name, 0o666 & ~_umask())
            os.replace(self._file.name, self._path)
            self._file = None

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
