# Made by generate.py from ../aio/trainings.py: change it there.
"""TrainingService, blocking: finding trainings. Runs begin them (`run.train`); what is done with one is in training.py."""

from __future__ import annotations

from collections.abc import Iterator

from .. import wire
from .channel import Channel
from .training import Training


class Trainings:
    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def get(self, name: str) -> Training:
        """The training of this name, "runs/*/trainings/*"."""
        training = Training(self._channel, name)
        training.refresh()
        return training

    def list(self) -> Iterator[Training]:
        """Every training of the server."""
        for page in self._channel.pages(wire.TrainingService.ListTrainings, wire.ListTrainingsRequest()):
            for training in page.trainings:
                yield Training(self._channel, training.name, training)
