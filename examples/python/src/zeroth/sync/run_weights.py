# Made by generate.py from ../aio/run_weights.py: change it there.
"""Where a run's weights go: into arrays, files and journals, blocking."""

from __future__ import annotations

import os
from collections.abc import Sequence

from .. import wire
from ..checks import message, shown
from ..checks import path as file_path
from ..export import FORMATS, Download
from ..journal import Journal
from ..journal_file import read_journal
from ..points import PointLike, to_point
from ..weights import Weights, WeightsReader
from .run_base import RunBase

Service = wire.RunService


class RunWeights(RunBase):
    def read_weights(self, point: PointLike = (), *, parameters: Sequence[str] = ()) -> Weights:
        """The trainable tensors by name, float32 in the model's shapes, at the head or at a point; all, or these.

        In the order of their indices, so that their bytes in this order have the digest that `verify` names.
        """
        request = message(wire.ReadWeightsRequest, run=self.name, point=to_point(point, self.name), parameters=parameters)
        info = self.refresh()

        def attempt() -> WeightsReader:
            reader = WeightsReader(info.trainable)
            for piece in self._channel.stream(Service.ReadWeights, request):
                reader.take(piece)
            return reader

        return (self._channel.repeat(attempt)).weights()

    def export(
        self, path: str | os.PathLike[str], *, format: str = "onnx", revision: int | None = None
    ) -> wire.ExportHeader:
        """Writes the tuned model to a file: all of it is there in the end, or nothing.

        Args:
            format: "onnx", "onnx-merged" (adapters within the weights), "safetensors" (what was trained, alone), or "journal" (see `journal`).
            revision: None means the head.

        Raises:
            ZerothError: DATA_LOSS where what came has not the digest that the server gave it.
        """
        request = self._export_request(format, revision)
        place = file_path("path", path)

        def attempt() -> wire.ExportHeader:
            with Download(place) as download:
                for piece in self._channel.stream(Service.ExportRun, request):
                    download.take(piece)
                return download.finish()

        return self._channel.repeat(attempt)

    def journal(self, *, revision: int | None = None) -> Journal:
        """What makes the tuned weights of the base ones (`zeroth.apply_journal`); `export(format="journal")` writes the same to a file."""
        request = self._export_request("journal", revision)

        def attempt() -> bytes:
            with Download(None) as download:
                for piece in self._channel.stream(Service.ExportRun, request):
                    download.take(piece)
                download.finish()
                return download.content()

        return read_journal(self._channel.repeat(attempt))

    def _export_request(self, format: str, revision: int | None) -> wire.ExportRunRequest:
        if format not in FORMATS:
            raise ValueError(f"format: expected one of {', '.join(FORMATS)}, got {shown(format)}")
        return message(wire.ExportRunRequest, name=self.name, revision=revision, format=FORMATS[format])
