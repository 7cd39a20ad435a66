"""A run's journal as a program sees it, and as a file (zeroth-journal/1, docs/journal.md)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

from . import wire
from .points import Shift

_FORMAT = "zeroth-journal/1"


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
    """

    trainable: tuple[str, ...]
    table: str
    base_sha256: str
    weights_sha256: str | None
    changes: tuple[Change, ...]
    model_sha256: str = ""

    @property
    def revision(self) -> int:
        return len(self.changes)

    @staticmethod
    def of(run: wire.Run, entries: Iterable[wire.Entry]) -> Journal:
        """Of what the server says of a run (`run.info`) and all entries from the first on (`run.entries()`).

        Raises:
            ValueError: where an entry is missing.
        """
        changes: list[Change] = []
        for entry in entries:
            if entry.revision != len(changes) + 1:
                raise ValueError(f"entries: expected revision {len(changes) + 1}, got {entry.revision}")
            changes.append(_of_entry(entry))
        table = wire.NoiseTable.Name(run.table).removeprefix("NOISE_TABLE_").lower()
        names = tuple(parameter.name for parameter in run.trainable)
        return Journal(names, table, run.base_sha256, None, tuple(changes))

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
    if entry.HasField("regrid"):
        return Regrid(entry.regrid.tensor, entry.regrid.exponent)
    if entry.HasField("rollback"):
        return Rollback(entry.rollback.to_revision)
    of = entry.shifts.decay
    decay = DecayOf(of.factor, of.seed, tuple(of.tensors)) if entry.shifts.HasField("decay") else None
    return Shifts(tuple(Shift(shift.seed, shift.scale) for shift in entry.shifts.shifts), decay)


def read_journal(source: str | os.PathLike[str] | bytes) -> Journal:
    """Of a file's path, or of its bytes.

    Raises:
        ValueError: naming the line, what was expected and what came.
    """
    if isinstance(source, bytes):
        text = source.decode("utf-8")
    else:
        with open(source, encoding="utf-8") as file:
            text = file.read()
    lines = [line for line in text.split("\n") if line != ""]
    header = _parsed(lines[0] if lines else "", 1)
    if header.get("format") != _FORMAT:
        raise _wrong(1, _FORMAT, header.get("format"))
    if header.get("noise") != "noise/1":
        raise _wrong(1, "noise/1", header.get("noise"))
    if header.get("revision") != len(lines) - 1:
        raise _wrong(1, f"{header.get('revision')} changes behind it", len(lines) - 1)
    changes = tuple(_to_change(_parsed(line, number), number) for number, line in enumerate(lines[1:], 2))
    try:
        return Journal(
            trainable=tuple(header["trainable"]),
            table=header["table"],
            base_sha256=header["baseSha256"],
            weights_sha256=header["weightsSha256"],
            changes=changes,
            model_sha256=header["modelSha256"],
        )
    except KeyError as missing:
        raise _wrong(1, f"a header with {missing}", lines[0][:200]) from None


def _to_change(value: dict[str, Any], line: int) -> Change:
    try:
        if value["kind"] == "shifts":
            shifts = tuple(Shift(int(shift["seed"]), float(shift["scale"])) for shift in value["shifts"])
            return Shifts(shifts, _to_decay(value["decay"]) if "decay" in value else None)
        if value["kind"] == "regrid":
            return Regrid(int(value["tensor"]), int(value["exponent"]))
        if value["kind"] == "rollback" and 0 <= value["toRevision"] < line - 1:
            return Rollback(int(value["toRevision"]))
    except (KeyError, TypeError, ValueError):
        pass
    raise _wrong(line, "shifts, a regrid, or a rollback to an earlier revision, with all of its fields", json.dumps(value)[:200])


def _to_decay(value: dict[str, Any]) -> DecayOf:
    return DecayOf(float(value["factor"]), int(value["seed"]), tuple(int(tensor) for tensor in value["tensors"]))


def _parsed(text: str, line: int) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        raise _wrong(line, "JSON", text[:60]) from None
    if not isinstance(value, dict):
        raise _wrong(line, "an object", text[:60])
    return value


def _wrong(line: int, expected: str, got: object) -> ValueError:
    return ValueError(f"journal, line {line}: expected {expected}, got {got}")
