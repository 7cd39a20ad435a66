# Made by generate.py from ../aio/run_past.py: change it there.
"""What has happened to a run, and how it goes back there, blocking."""

from __future__ import annotations

from collections.abc import Iterator

from .. import wire
from ..checks import message, whole
from ..points import Point, snapshot_name
from ..requests import new_id
from ..results import Updated
from .named import deleting
from .run_base import RunBase

Service = wire.RunService


class RunPast(RunBase):
    def snapshot(self, snapshot_id: str, *, revision: int | None = None, replace: bool = True) -> Point:
        """Names a revision, the head by default, and gives the point there. Costs no copy of the weights.

        Tried again only with a `revision`: the head may have moved in between.

        Args:
            replace: whether a snapshot of this name is moved; otherwise one at another revision is ALREADY_EXISTS.
        """
        request = message(wire.CreateSnapshotRequest, run=self.name, snapshot_id=snapshot_id, revision=revision, replace=replace)
        answer = self._channel.call(Service.CreateSnapshot, request, repeatable=revision is not None)
        return Point(snapshot=answer.snapshot.name)

    def delete_snapshot(self, snapshot: str) -> None:
        """By its id or its full name. Tried again: one that is not there any more then is deleted."""
        request = wire.DeleteSnapshotRequest(name=snapshot_name(snapshot, self.name))
        deleting(self._channel, Service.DeleteSnapshot, request)

    def rollback(self, revision: int, *, request_id: str | None = None, expected_revision: int | None = None) -> Updated:
        """The weights are again those of an earlier revision; an entry of the journal, as an update is, and `request_id` as there."""
        request = message(
            wire.RollbackRunRequest, name=self.name, revision=whole("revision", revision), request_id=request_id or new_id(), expected_revision=expected_revision
        )
        answer = self._channel.call(Service.RollbackRun, request, repeatable=True)
        self.revision = answer.head
        return Updated.of(answer)

    def entries(self, *, after: int = 0) -> Iterator[wire.Entry]:
        """The journal so far, behind a revision, in order."""
        request = message(wire.ListEntriesRequest, run=self.name, after_revision=whole("after", after))
        for page in self._channel.pages(wire.JournalService.ListEntries, request):
            for entry in page.entries:
                yield entry

    def watch(self, *, after: int = 0) -> Iterator[wire.Entry]:
        """The journal so far and what comes, until the loop is left. Where the stream breaks it goes on behind the last entry that came."""

        def behind(request: wire.WatchEntriesRequest, answer: wire.WatchEntriesResponse) -> None:
            request.after_revision = answer.entry.revision

        request = message(wire.WatchEntriesRequest, run=self.name, after_revision=whole("after", after))
        for answer in self._channel.follow(wire.JournalService.WatchEntries, request, behind):
            yield answer.entry

    def verify(self) -> wire.VerifyRunResponse:
        """Has the server rebuild the weights from base and journal; DATA_LOSS where the live ones differ."""
        return self._channel.call(wire.JournalService.VerifyRun, wire.VerifyRunRequest(run=self.name), repeatable=True)
