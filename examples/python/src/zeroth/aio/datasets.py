"""DatasetService, asynchronous."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

import numpy.typing as npt

from .. import wire
from ..checks import message
from ..datasets import Dataset, Progress, upload
from .channel import Channel
from .named import deleting

Service = wire.DatasetService


class Datasets:
    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def create(
        self, tensors: Mapping[str, npt.ArrayLike], *, chunk_bytes: int = 2**20, progress: Progress | None = None
    ) -> Dataset:
        """Stores named arrays that have their first dimension in common; the same content again is stored once, and so this is tried again.

        Args:
            tensors: by the names of the model's inputs and of the objective's labels.
            chunk_bytes: of a message.
            progress: called with bytes sent and bytes in all, after each piece; from the start where the connection broke.

        Raises:
            TypeError: where an array is of a type that zeroth.v1 has not.
        """
        answer = await self._channel.send(Service.CreateDataset, lambda: upload(tensors, chunk_bytes, progress), repeatable=True)
        return Dataset.of(answer.dataset, existed=answer.existed)

    async def get(self, name: str) -> Dataset:
        """The stored dataset, "datasets/*"."""
        request = message(wire.GetDatasetRequest, name=name)
        return Dataset.of((await self._channel.call(Service.GetDataset, request, repeatable=True)).dataset)

    async def list(self) -> AsyncIterator[Dataset]:
        """Every stored dataset."""
        async for page in self._channel.pages(Service.ListDatasets, wire.ListDatasetsRequest()):
            for dataset in page.datasets:
                yield Dataset.of(dataset)

    async def delete(self, name: str) -> None:
        """Tried again: one that is not there any more then is deleted."""
        await deleting(self._channel, Service.DeleteDataset, message(wire.DeleteDatasetRequest, name=name))
