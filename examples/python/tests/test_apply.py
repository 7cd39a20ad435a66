"""Tuned weights from base and journal: bit for bit those that the server exports."""

from __future__ import annotations

import json
import pathlib
import re
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from safetensors.numpy import load_file

import zeroth
from conftest import ServerProcess
from zeroth import Client, Dataset, Decay, Journal, Point, Run, apply_journal, read_journal, wire
from zeroth.journal import Regrid, Rollback, Shifts

Weights = dict[str, npt.NDArray[np.float32]]


def created(client: Client, **options: Any) -> Run:
    return client.runs.create(client.models.load("torch-mlp.onnx"), objective="cross_entropy", **options)


def small_steps(run: Run, first: int, count: int) -> None:
    for seed in range(first, first + count):
        run.update([(seed, 1e-3 * (-1) ** seed), (2**63 + seed, 3e-5)])


def regridded(client: Client) -> Run:
    """A shift that takes tensors beyond half of their range."""
    run = created(client)
    small_steps(run, 0, 20)
    for seed in range(4):
        run.update([(100 + seed, 0.9)])
    small_steps(run, 0, 20)
    return run


def rolled_back(client: Client) -> Run:
    """To before a regrid, and from there to before a rollback."""
    run = regridded(client)
    run.rollback(10)
    small_steps(run, 50, 5)
    run.rollback(12)
    small_steps(run, 60, 5)
    return run


def decayed(client: Client) -> Run:
    run = created(client)
    small_steps(run, 0, 5)
    for seed in range(6):
        run.update([(seed, 1e-3)] if seed % 2 else [], decay=Decay(1 - 10.0**-seed if seed else 0.5, 7 + seed, exclude=["*bias*"]))
    run.rollback(7)
    run.update([(1, 1e-3)], decay=Decay(0.99, 99))
    return run


def rademacher(client: Client) -> Run:
    run = created(client, table="rademacher")
    small_steps(run, 0, 30)
    return run


def some_tensors(client: Client) -> Run:
    """Indices count what is trained, not what the model has."""
    run = created(client, include=["*weight"])
    small_steps(run, 0, 10)
    return run


def trained(client: Client) -> Run:
    """By the server, which repeats its anchor's shifts."""
    run = created(client)
    random = np.random.default_rng(1)
    x = random.normal(size=(32, 4)).astype(np.float32)
    dataset: Dataset = client.datasets.create({"x": x, "labels": x[:, :3].argmax(axis=1)})
    strategy = zeroth.strategy("mezo-svrg", q=5, eta1=0.1, eta2=0.05, anchor_directions=4, seed=1)
    run.train(strategy, dataset, batch_size=8, steps=100).finished()
    return run


def forked(client: Client) -> Run:
    """From within a past with a regrid and rollbacks, and on from there."""
    parent = rolled_back(client)
    run = parent.fork(revision=parent.revision - 2)
    small_steps(run, 70, 5)
    return run


RUNS = [regridded, rolled_back, decayed, rademacher, some_tensors, trained, forked]


def kinds(journal: Journal) -> set[str]:
    found = {type(change).__name__ for change in journal.changes}
    return found | {"Decay" for change in journal.changes if isinstance(change, Shifts) and change.decay is not None}


def assert_same(got: Weights, expected: Weights) -> None:
    assert set(got) == set(expected)
    for name, values in expected.items():
        assert got[name].shape == values.shape and got[name].dtype == np.float32
        np.testing.assert_array_equal(got[name].view(np.uint32), values.view(np.uint32), err_msg=name)


@pytest.mark.parametrize("make", RUNS)
def test_what_the_journal_makes_of_the_base_is_what_the_server_exports(client: Client, make: Any, tmp_path: pathlib.Path) -> None:
    run: Run = make(client)
    run.export(tmp_path / "tuned.safetensors", format="safetensors")
    run.export(tmp_path / "run.journal", format="journal")
    expected = load_file(tmp_path / "tuned.safetensors")
    base = run.read_weights(Point(revision=0))
    tuned = apply_journal(base, tmp_path / "run.journal")
    assert_same(tuned, expected)
    assert list(tuned) == [each.name for each in run.info.trainable]
    # A list of entries does as well as a file.
    assert_same(apply_journal(base, Journal.of(run.refresh(), run.entries())), expected)
    assert run.journal() == read_journal(tmp_path / "run.journal")
    # What it is to show is in there.
    shown = {"regridded": {"Regrid"}, "rolled_back": {"Regrid", "Rollback"}, "decayed": {"Decay", "Rollback"}, "forked": {"Regrid", "Rollback"}}
    assert kinds(run.journal()) >= shown.get(make.__name__, {"Shifts"})


def test_adapters_of_a_model_of_half_precision_are_float32_and_come_out_too(tmp_path: pathlib.Path) -> None:
    server = ServerProcess(models="language")
    with zeroth.connect(server.address) as client:
        model = client.models.load("roberta-classification-fp16.onnx")
        run = client.runs.create(model, objective="cross_entropy", lora=wire.Lora(rank=2, seed=5))
        for seed in range(4):
            small_steps(run, 10 * seed, 10)
            run.update([(seed, 0.7)], decay=Decay(0.9, seed))
        journal, base = run.journal(), run.read_weights(Point(revision=0))
        assert kinds(journal) >= {"Regrid", "Decay"} and journal.additions == ("lora",)
        run.export(tmp_path / "adapters.safetensors", format="safetensors")
        assert_same(apply_journal(base, journal), load_file(tmp_path / "adapters.safetensors"))
        # The model's own weights are not these.
        missing = re.escape(f"expected a tensor '{journal.trainable[0]}', got own (the run put lora into the model: run.read_weights(")
        with pytest.raises(KeyError, match=missing):
            apply_journal({"own": np.zeros(1, np.float32)}, journal)
    assert server.stop() == 0


def test_every_revision_is_reached(client: Client) -> None:
    run = rolled_back(client)
    base = run.read_weights(Point(revision=0))
    whole = run.journal()
    for revision in (0, 10, 20, 23, whole.revision - 6, whole.revision):
        journal = run.journal(revision=revision)
        assert journal.revision == revision
        assert_same(apply_journal(base, journal), run.read_weights(Point(revision=revision)))


def test_base_weights_off_their_grids_are_snapped_as_the_server_does(client: Client) -> None:
    run = rademacher(client)
    base = run.read_weights(Point(revision=0))
    # Less than half of the finest step, 2^-22.
    near = {name: values + np.float32(2.0**-25) for name, values in base.items()}
    assert any((near[name] != base[name]).any() for name in base)
    assert_same(apply_journal(near, run.journal()), run.read_weights())


def test_in_place_the_arrays_of_the_base_become_the_tuned_ones(client: Client) -> None:
    run = rademacher(client)
    base = run.read_weights(Point(revision=0))
    kept = {name: values.copy() for name, values in base.items()}
    arrays = dict(base)
    with pytest.raises(zeroth.DigestMismatch, match="tuned weights: expected SHA-256 00"):
        apply_journal(base, replace(run.journal(), weights_sha256="00"), in_place=True)
    assert_same(base, kept)
    apply_journal(base, run.journal(), in_place=True)
    assert all(base[name] is arrays[name] for name in base)
    assert_same(base, run.read_weights())


class Foreign:
    """As PyTorch's tensors are turned into arrays, which share their memory."""

    def __init__(self, values: npt.NDArray[np.float32], *, is_cpu: bool = True) -> None:
        self.values = values
        self.is_cpu = is_cpu

    def detach(self) -> Foreign:
        return self

    def cpu(self) -> Foreign:
        return self

    def numpy(self) -> npt.NDArray[np.float32]:
        return self.values


def test_tensors_of_a_state_dict_are_taken_and_tuned_in_place(client: Client) -> None:
    run = decayed(client)
    state = {name: Foreign(values) for name, values in run.read_weights(Point(revision=0)).items()}
    apply_journal({**state, "another": Foreign(np.zeros(1, np.float32))}, run.journal(), in_place=True)
    assert_same({name: tensor.values for name, tensor in state.items()}, run.read_weights())


def test_what_cannot_be_tuned_in_place_is_refused_before_anything_is_written(client: Client) -> None:
    run = some_tensors(client)
    base = run.read_weights(Point(revision=0))
    name = list(base)[-1]
    fixed = base[name].copy()
    fixed.flags.writeable = False
    for other in (fixed, Foreign(base[name], is_cpu=False)):
        with pytest.raises(ValueError, match=f"{name}: expected an array that can be written to, or a tensor on the CPU, got another "):
            apply_journal({**base, name: other}, run.journal(), in_place=True)
    assert_same(base, run.read_weights(Point(revision=0)))


def test_a_base_that_is_not_the_runs_is_refused(client: Client) -> None:
    run = rademacher(client)
    base = run.read_weights(Point(revision=0))
    name = next(iter(base))
    other = {**base, name: base[name] + np.float32(1e-3)}
    with pytest.raises(zeroth.DigestMismatch, match="base weights: expected SHA-256 "):
        apply_journal(other, run.journal())
    with pytest.raises(KeyError, match=f"base: expected a tensor '{name}', got "):
        apply_journal({key: values for key, values in base.items() if key != name}, run.journal())
    with pytest.raises(TypeError, match=f"{name}: expected float32, got float64"):
        apply_journal({**base, name: base[name].astype(np.float64)}, run.journal())


HEADER = {
    "format": "zeroth-journal/1",
    "noise": "noise/1",
    "modelSha256": "m",
    "trainable": ["a", "b"],
    "table": "gaussian",
    "baseSha256": "b",
    "weightsSha256": "w",
}


def file_of(*lines: object, **header: object) -> bytes:
    first = {**HEADER, "revision": len(lines), **header}
    return "\n".join(json.dumps(line) for line in [first, *lines]).encode()


def test_a_file_keeps_all_bits_of_seeds_and_scales() -> None:
    lines = (
        {"kind": "shifts", "shifts": [{"seed": "18446744073709551615", "scale": -0.00012}]},
        {"kind": "shifts", "decay": {"factor": 0.9999999, "seed": "5", "tensors": [0, 1]}, "shifts": []},
        {"kind": "regrid", "tensor": 1, "exponent": -19},
        {"kind": "rollback", "toRevision": 2},
    )
    journal = read_journal(file_of(*lines))
    assert journal.changes[0] == Shifts(((2**64 - 1, -0.00012),))  # type: ignore[arg-type]
    assert journal.changes[2:] == (Regrid(1, -19), Rollback(2))
    assert journal.lineage() == list(journal.changes[:2])


def shift_of(seed: object, scale: object) -> dict[str, object]:
    return {"kind": "shifts", "shifts": [{"seed": seed, "scale": scale}]}


def decay_of(**other: object) -> dict[str, object]:
    return {"kind": "shifts", "decay": {"factor": 0.5, "seed": "1", "tensors": [0], **other}, "shifts": []}


A_SHIFT = "line 2: expected shifts with a seed in decimal, as text, and a finite scale"
A_DECAY = "line 2: expected a decay with a factor between 0 and 1, .* tensors below 2, ascending"
A_CHANGE = "line 2: expected shifts, a regrid of one of 2 tensors, or a rollback to an earlier revision"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "line 1: expected JSON"),
        (b"[]", "line 1: expected an object"),
        (file_of(format="zeroth-journal/9"), "line 1: expected zeroth-journal/1, got zeroth-journal/9"),
        (file_of(noise="noise/2"), "line 1: expected noise/1, got noise/2"),
        (file_of(table="uniform"), "line 1: expected a table of gaussian, rademacher, got uniform"),
        (file_of(trainable="a"), "line 1: expected a header with trainable, a list of names, got a"),
        (file_of(baseSha256=None), "line 1: expected a header with baseSha256"),
        (file_of(revision=3), "line 1: expected 3 changes behind it, got 0"),
        (file_of({"kind": "leap"}), A_CHANGE),
        (file_of(shift_of("x", 1)), A_SHIFT),
        (file_of(shift_of(1, 1)), A_SHIFT),
        (file_of(shift_of("18446744073709551616", 1)), A_SHIFT),
        (file_of(shift_of("1", float("inf"))), A_SHIFT),
        (file_of(shift_of("1", 10**400)), A_SHIFT),
        (file_of(decay_of(factor=1)), A_DECAY),
        (file_of(decay_of(seed=1)), A_DECAY),
        (file_of(decay_of(tensors=[1, 0])), A_DECAY),
        (file_of(decay_of(tensors=[2])), A_DECAY),
        (file_of({"kind": "rollback", "toRevision": 1}), A_CHANGE),
        (file_of({"kind": "regrid", "tensor": 2, "exponent": -18}), A_CHANGE),
        (file_of({"kind": "regrid", "tensor": 0}), A_CHANGE),
    ],
)
def test_a_file_that_is_none_names_the_line(content: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=f"^journal, {message}"):
        read_journal(content)


def test_entries_with_a_gap_are_refused(client: Client) -> None:
    run = rademacher(client)
    with pytest.raises(ValueError, match="entries: expected revision 1, got 3"):
        Journal.of(run.refresh(), run.entries(after=2))


def test_entries_that_this_package_does_not_know_are_refused(client: Client) -> None:
    run = rademacher(client)
    [first, *_] = run.entries()
    first.ClearField("shifts")
    with pytest.raises(ValueError, match="entry 1: expected shifts, a regrid or a rollback, got another kind"):
        Journal.of(run.info, [first])
    other = wire.Run(noise="noise/2")
    with pytest.raises(ValueError, match="run: expected noise/1, got noise/2"):
        Journal.of(other, [])
