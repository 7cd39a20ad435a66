"""Tuned weights from base weights and a journal, bit for bit, without a server."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from .checks import named, path, shown
from .journal import Change, Journal, Regrid, Shifts
from .journal_file import read_journal
from .noise.decay import decay
from .noise.grid import Floats, grid_exponent, largest_magnitude, snap
from .noise.shift import move
from .noise.table import Table, noise_table
from .points import Shift
from .weights import Weights


class DigestMismatch(ValueError):
    """Weights that are not those of the run: other base weights, or another journal."""


def apply_journal(base: Mapping[str, Any], journal: Journal | str | os.PathLike[str], *, in_place: bool = False) -> Weights:
    """The tuned weights of a run from the model's own weights and the run's journal.

    Args:
        base: by name, at least all of the journal's `trainable`: float32 arrays, or PyTorch tensors (a `state_dict()`), in the model's shapes.
            As the model has them, before any training; that their values are off the run's grids by less than a step does not matter.
        journal: a zeroth-journal/1 file (`run.export(path, format="journal")`), or a Journal (`run.journal()`, or `Journal.of(run.info, entries)`).
        in_place: whether arrays of the base become the tuned ones, once the digest is right; they have to be arrays that can be written
            to, which a PyTorch tensor on the CPU is.

    Returns:
        float32 arrays by name, in the order of the journal's `trainable`. `torch.from_numpy` takes each without a copy.

    Raises:
        DigestMismatch: where base or result have not the SHA-256 that the journal names. Nothing has been written then.
        KeyError, TypeError, ValueError: naming the tensor that is missing, is not float32, or cannot be written to where that is asked for.
    """
    base = named("base", "tensors by name", base)
    journal = journal if isinstance(journal, Journal) else read_journal(path("journal", journal))
    given = {name: _array(name, base, journal.additions) for name in journal.trainable}
    if in_place:
        _check_writeable(base, given)
    flat = [array.ravel() for array in given.values()]
    exponents = [grid_exponent(largest_magnitude(array)) for array in flat]
    state = [snap(array, exponent) for array, exponent in zip(flat, exponents)]
    _check("base weights", journal.base_sha256, state)
    _replay(journal.lineage(), state, exponents, noise_table(journal.table))
    if journal.weights_sha256 is not None:
        _check("tuned weights", journal.weights_sha256, state)
    tuned = {name: values.reshape(array.shape) for (name, array), values in zip(given.items(), state)}
    if not in_place:
        return tuned
    for name, values in tuned.items():
        given[name][...] = values
    return given


def weights_sha256(weights: Iterable[Floats]) -> str:
    """Over tensors in the order of their indices, little-endian float32, hexadecimal: as servers and journals name weights."""
    if isinstance(weights, Mapping):
        raise TypeError("weights: expected arrays in the order of their indices, got a dict of them: take its values()")
    digest = hashlib.sha256()
    for values in weights:
        digest.update(np.ascontiguousarray(values, "<f4").data)
    return digest.hexdigest()


def _replay(changes: Sequence[Change], state: list[Floats], exponents: list[int], table: Table) -> None:
    """Shifts between two changes that they do not commute with are one pass over the weights."""
    waiting: list[Shift] = []

    def catch_up() -> None:
        for tensor, values in enumerate(state):
            move(values, table, waiting, tensor, exponents[tensor])
        waiting.clear()

    for change in changes:
        if isinstance(change, Regrid):
            catch_up()
            exponents[change.tensor] = change.exponent
            state[change.tensor] = snap(state[change.tensor], change.exponent)
        elif isinstance(change, Shifts):
            if change.decay is not None:
                catch_up()
                for tensor in change.decay.tensors:
                    decay(state[tensor], change.decay.factor, change.decay.seed, tensor, exponents[tensor])
            waiting += change.shifts
    catch_up()


def _array(name: str, base: Mapping[str, Any], additions: Sequence[str]) -> Floats:
    if name not in base:
        hint = f" (the run put {', '.join(additions)} into the model: run.read_weights(Point(revision=0)) has all that it began with)"
        raise KeyError(f"base: expected a tensor {name!r}, got {', '.join(sorted(base)[:20])}{hint if additions else ''}")
    values = base[name]
    # PyTorch's, of which this shares the memory.
    array: npt.NDArray[Any] = values.detach().cpu().numpy() if hasattr(values, "detach") else np.asarray(values)
    if array.dtype != np.float32:
        raise TypeError(f"{name}: expected float32, got {array.dtype}")
    return cast(Floats, array)


def _check_writeable(base: Mapping[str, Any], given: Mapping[str, Floats]) -> None:
    """Before anything is computed. What is a copy of the base's tensor would be written to in vain."""
    for name, array in given.items():
        is_shared = getattr(base[name], "is_cpu", isinstance(base[name], np.ndarray))
        if not is_shared or not array.flags.writeable:
            raise ValueError(f"{name}: expected an array that can be written to, or a tensor on the CPU, got another {type(base[name]).__name__}")


def _check(what: str, expected: str, state: Iterable[Floats]) -> None:
    got = weights_sha256(state)
    if got != expected:
        raise DigestMismatch(f"{what}: expected SHA-256 {expected}, got {got}")
