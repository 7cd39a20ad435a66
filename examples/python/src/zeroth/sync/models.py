# Made by generate.py from ../aio/models.py: change it there.
"""ModelService, blocking."""

from __future__ import annotations

from collections.abc import Iterator

from .. import wire
from ..errors import ZerothError
from .channel import Channel

Service = wire.ModelService


class Models:
    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def load(self, path: str, *, model_id: str = "") -> wire.Model:
        """Loads a file of the server's model directory, or takes it where it is loaded already.

        Args:
            path: relative to the server's model directory.
            model_id: empty means the file's name without its ending.

        Raises:
            ZerothError: ALREADY_EXISTS where another file has this id.
        """
        try:
            request = wire.LoadModelRequest(path=path, model_id=model_id)
            return (self._channel.call(Service.LoadModel, request, repeatable=True)).model
        except ZerothError as error:
            if error.code != "ALREADY_EXISTS" or error.resource is None:
                raise
            model = self.get(error.resource)
            if model.path != path:
                raise
            return model

    def get(self, name: str) -> wire.Model:
        """Inputs, outputs and parameters of a loaded model, "models/*"."""
        return (self._channel.call(Service.GetModel, wire.GetModelRequest(name=name), repeatable=True)).model

    def list(self) -> Iterator[wire.Model]:
        """Every loaded model."""
        for page in self._channel.pages(Service.ListModels, wire.ListModelsRequest()):
            for model in page.models:
                yield model

    def unload(self, name: str, *, force: bool = False) -> None:
        """`force`: even while it has runs; they keep their journals."""
        self._channel.call(Service.UnloadModel, wire.UnloadModelRequest(name=name, force=force), repeatable=False)
