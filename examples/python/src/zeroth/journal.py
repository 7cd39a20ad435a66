"""A run's journal as a program sees it (docs/journal.md). journal_file.py has it as a file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from . import wire
from .points import Shift

NOISE = "noise/1"
"""What seeds mean here; a journal of another noise would need another package."""

ADDITIONS = ("lora", "head", "prompt", "prefix")
"""What a run may put into its model: tensors that the model's file has not."""


@dataclass(frozen=True)
class DecayOf:
    """Weights of these tensors, by their indices, times a factor (decay/1)."""

    factor: float
    seed: int
    tensors: tuple[int, ...]


@dataclass(frozen=True)
class Shifts:
    """Scale x z(seed) is added for each shift, after the decay where there is one."""

    shifts: tuple[Shift, ...]
    decay: DecayOf | None = None


@dataclass(frozen=True)
class Regrid:
    """One tensor goes to a coarser grid, of step 2^exponent."""

    tensor: int
    exponent: int


@dataclass(frozen=True)
class Rollback:
    """The weights are again those of an earlier revision."""

    to_revision: int


Change: TypeAlias = "Shifts | Regrid | Rollback"


@dataclass(frozen=True)
class Journal:
    """What makes a run's weights of its base weights.

    Attributes:
        trainable: names of the tensors, in the order of their indices.
        table: "gaussian" or "rademacher".
        base_sha256: over the base weights, snapped to their grids, in order, little-endian float32.
        weights_sha256: over the weights that have to come out; None where nobody has said.
        changes: the first makes revision 1.
        model_sha256: of the model's file; empty where nobody has said.
        additions: which of "lora", "head", "prompt", "prefix" the run put into the model.
    """

    trainable: tuple[str, ...]
    table: str
    base_sha256: str
    weights_sha256: str | None
    changes: tuple[Change, ...]
    model_sha256: str = ""
    additions: tuple[str, ...] = ()

    @property
    def revision(self) -> int:
        return len(self.changes)

    @staticmethod
    def of(run: wire.Run, entries: Iterable[wire.Entry]) -> Journal:
        """Of what the server says of a run (`run.info`) and all entries from the first on (`run.entries()`).

        Raises:
            ValueError: where an entry is missing, or is of a kind that this package does not know.
        """
        if run.noise != NOISE:
            raise ValueError(f"run: expected {NOISE}, got {run.noise}")
        changes: list[Change] = []
        for entry in entries:
            if entry.revision != len(changes) + 1:
                raise ValueError(f"entries: expected revision {len(changes) + 1}, got {entry.revision}")
            changes.append(_of_entry(entry))
        table = wire.NoiseTable.Name(run.table).removeprefix("NOISE_TABLE_").lower()
        names = tuple(parameter.name for parameter in run.trainable)
        additions = tuple(field.name for field, _ in run.ListFields() if field.name in ADDITIONS)
        return Journal(names, table, run.base_sha256, None, tuple(changes), additions=additions)

    def lineage(self) -> list[Change]:
        """The changes that the last revision is made of, in order: without what was rolled back."""
        found: list[Change] = []
        revision = self.revision
        while revision > 0:
            change = self.changes[revision - 1]
            if isinstance(change, Rollback):
                revision = change.to_revision
            else:
                found.append(change)
                revision -= 1
        return found[::-1]


def _of_entry(entry: wire.Entry) -> Change:
    kind = entry.WhichOneof("change")
    if kind == "regrid":
        return Regrid(entry.regrid.tensor, entry.regrid.exponent)
    if kind == "rollback":
        return Rollback(entry.rollback.to_revision)
    if kind != "shifts":
        raise ValueError(f"entry {entry.revision}: expected shifts, a regrid or a rollback, got another kind")
    of = entry.shifts.decay
    decay = DecayOf(of.factor, of.seed, tuple(of.tensors)) if entry.shifts.HasField("decay") else None
    return Shifts(tuple(Shift(shift.seed, shift.scale) for shift in entry.shifts.shifts), decay)
