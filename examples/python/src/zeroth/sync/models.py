# Made by generate.py from ../aio/models.py: change it there.
"""ModelService, blocking."""

from __future__ import annotations

from collections.abc import Iterator

from .. import wire
from ..checks import message, text
from ..errors import ZerothError
from .channel import Channel
from .named import deleting

Service = wire.ModelService


class Models:
    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def load(self, path: str, *, model_id: str = "") -> wire.Model:
        """Loads a file of the server's model directory, or takes it where it is loaded already, whoever loaded it. Tried again.

        Args:
            path: relative to the server's model directory.
            model_id: empty means the file's name without its ending.

        Raises:
            ZerothError: ALREADY_EXISTS where another file has this id.
        """
        request = message(wire.LoadModelRequest, path=text("path", path), model_id=model_id)

        def attempt() -> wire.Model:
            try:
                return (self._channel.call(Service.LoadModel, request, repeatable=False)).model
            except ZerothError as error:
                if error.code != "ALREADY_EXISTS" or error.resource is None:
                    raise
                model = self._loaded(error.resource)
                if model.path != path:
                    raise
                return model

        return self._channel.repeat(attempt)

    def _loaded(self, name: str) -> wire.Model:
        """Of a name that is taken: UNAVAILABLE where there is no model yet, or none any more, since trying again helps with both."""
        try:
            return (self._channel.call(Service.GetModel, wire.GetModelRequest(name=name), repeatable=False)).model
        except ZerothError as error:
            if error.code != "NOT_FOUND":
                raise
            raise ZerothError("UNAVAILABLE", f"{name}: expected a loaded model, got one that is being loaded") from None

    def get(self, name: str) -> wire.Model:
        """Inputs, outputs and parameters of a loaded model, "models/*"."""
        return (self._channel.call(Service.GetModel, message(wire.GetModelRequest, name=name), repeatable=True)).model

    def list(self) -> Iterator[wire.Model]:
        """Every loaded model."""
        for page in self._channel.pages(Service.ListModels, wire.ListModelsRequest()):
            for model in page.models:
                yield model

    def unload(self, name: str, *, force: bool = False) -> None:
        """`force`: even while it has runs; they keep their journals. Tried again: one that is not there any more then is unloaded."""
        deleting(self._channel, Service.UnloadModel, message(wire.UnloadModelRequest, name=name, force=force))
