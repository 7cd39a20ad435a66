"""What a program may get wrong is an error before anything is sent, which names the field, what was expected and what came."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import zeroth
from zeroth import Client, Decay, Point, RetryPolicy, SeedVector, Shift, wire

SHIFTS = "a list of shifts (seed, scale)"
POINT = f"a Point or {SHIFTS}"
BATCH = "a dataset, its name, dataset[rows] or a dict of arrays"
SPACE = "parameters by name, or a list of numbers to begin at"
RANGE = "zeroth.floats(...), zeroth.integers(...) or a list of choices"
TYPES = "float32, float64, float16, int8, uint8, int16, uint16, int32, uint32, int64, uint64, bool"
SIGNED = "a whole number (64 bits with a sign)"

RAGGED: Any = [[1, 2], [3]]
ROWS: Any = np.zeros((24, 4), np.float32)
DATASET = zeroth.Dataset("datasets/any", 24, {"x": (24, 4)}, 384)
SEEDED = zeroth.strategy("mezo", learning_rate=1e-3)

# What is written, by what it is an error of.
WRONG: dict[str, Callable[[Any], object]] = {
    f"points[0]: expected {POINT}, got one shift (1, 0.001)": lambda it: it.run.evaluate([(1, 1e-3)], DATASET),
    f"points[1]: expected {POINT}, got one shift (1, 0.001)": lambda it: it.run.evaluate([[], Shift(1, 1e-3)], DATASET),
    f"points[0]: expected {POINT}, got 3": lambda it: it.run.evaluate([3], DATASET),
    f"points: expected a list of points, each {POINT}, got None": lambda it: it.run.evaluate(None, DATASET),
    f"points: expected a list of points, each {POINT}, got Point(shifts=(), revision=1, snapshot=None, handle=None)": lambda it: it.run.evaluate(
        Point(revision=1), DATASET
    ),
    "points[0][1]: expected a shift (seed, scale), got 5": lambda it: it.run.evaluate([[(1, 2.0), 5]], DATASET),
    "points[0][0]: expected a shift (seed, scale), got (1, 2, 3)": lambda it: it.run.evaluate([[(1, 2, 3)]], DATASET),
    "points[0][0].seed: expected a whole number, got 1.5": lambda it: it.run.evaluate([[(1.5, 1e-3)]], DATASET),
    "points[0][0].seed: expected 0 to 2^64 - 1, got 18446744073709551616": lambda it: it.run.evaluate([[(2**64, 1e-3)]], DATASET),
    "points[0][0].scale: expected a number, got '0.5'": lambda it: it.run.evaluate([[(1, "0.5")]], DATASET),
    f"points[0].shifts: expected {SHIFTS}, got one shift (1, 0.001)": lambda it: it.run.evaluate([Point((1, 1e-3))], DATASET),  # type: ignore[arg-type]
    "points[0].revision: expected a whole number, got '3'": lambda it: it.run.evaluate([Point(revision="3")], DATASET),  # type: ignore[arg-type]
    "points[0].snapshot: expected a text, got 3": lambda it: it.run.evaluate([Point(snapshot=3)], DATASET),  # type: ignore[arg-type]
    f"batch: expected {BATCH}, got an array of float32 [24, 4]": lambda it: it.run.evaluate([[]], ROWS),
    f"batch: expected {BATCH}, got None": lambda it: it.run.evaluate([[]], None),
    'batch["x"]: expected an array, got [[1, 2], [3]]': lambda it: it.run.evaluate([[]], {"x": RAGGED}),
    f'batch["x"].dtype: expected one of {TYPES}, got object': lambda it: it.run.evaluate([[]], {"x": None}),
    "batch: its names: expected a text, got 3": lambda it: it.run.evaluate([[]], {3: ROWS}),
    "rows: expected a list of whole numbers, got an array of int64 [1, 2]": lambda it: DATASET[[[1, 2]]],
    "rows: expected whole numbers, got slice(0.5, 3, None)": lambda it: DATASET[0.5:3],
    "objective: expected a name or a zeroth.wire.Objective, got 3": lambda it: it.run.evaluate([[]], DATASET, objective=3),
    "outputs: expected a list of names, got 'logits'": lambda it: it.run.evaluate([[]], DATASET, outputs="logits"),
    f"output_rows: expected a list, each {SIGNED}, got [1.5]": lambda it: it.run.evaluate([[]], DATASET, output_rows=[1.5]),
    f"revision: expected {SIGNED}, got '1'": lambda it: it.run.evaluate([[]], DATASET, revision="1"),
    f"shifts: expected {SHIFTS}, got one shift (1, 0.001)": lambda it: it.run.update((1, 1e-3)),
    "shifts[0]: expected a shift (seed, scale), got [(1, 0.001)]": lambda it: it.run.step([[(1, 1e-3)]], [[]], DATASET),
    "request_id: expected a text, got 7": lambda it: it.run.update([], request_id=7),
    "decay: expected a Decay, got 0.9": lambda it: it.run.update([], decay=0.9),
    "include: expected a list, each a text, got '*bias*'": lambda it: it.run.update([], decay=Decay(0.9, 1, include="*bias*")),
    # protobuf takes None for what nobody has said, which would be revision 0.
    "revision: expected a whole number, got None": lambda it: it.run.rollback(None),
    "point[0]: expected a shift (seed, scale), got [(1, 0.001)]": lambda it: it.run.read_weights([[(1, 1e-3)]]),
    "after: expected a whole number, got 'x'": lambda it: list(it.run.entries(after="x")),
    "path: expected the path of a file, got None": lambda it: it.run.export(None),
    "batch_size: expected a whole number (32 bits with a sign), got '4'": lambda it: it.run.train(SEEDED, DATASET, batch_size="4", steps=1),
    "dataset: expected a dataset or its name, got an array of float32 [24, 4]": lambda it: it.run.train(SEEDED, ROWS, batch_size=4, steps=1),
    "mezo: learning_rate: expected a number, got 'x'": lambda it: zeroth.strategy("mezo", learning_rate="x"),
    "model: expected a model or its name, got None": lambda it: it.client.runs.create(None),
    "table: expected one of gaussian, rademacher, got 'uniform'": lambda it: it.client.runs.create("models/any", table="uniform"),
    "lora: expected zeroth.wire.Lora or a dict of its fields (rank, alpha, targets, seed), got 8": lambda it: it.client.runs.create(
        "models/any", lora=8
    ),
    "name: expected a text, got 3": lambda it: it.client.run(3),
    "tensors: expected arrays by name, got an array of float32 [24, 4]": lambda it: it.client.datasets.create(ROWS),
    "chunk_bytes: expected at least 1, got 0": lambda it: it.client.datasets.create({"x": ROWS}, chunk_bytes=0),
    f"space: expected {SPACE}, got 'abc'": lambda it: it.client.studies.create("abc"),
    "space[0]: expected a number, got (0, 1)": lambda it: it.client.studies.create([(0, 1), (0, 1)]),
    'space["a"][0]: expected a text, got 0': lambda it: it.client.studies.create({"a": (0, 1)}),
    f'space["a"]: expected {RANGE}, got \'abc\'': lambda it: it.client.studies.create({"a": "abc"}),
    "high: expected a number, got None": lambda it: zeroth.floats(0, None),  # type: ignore[arg-type]
    "high: expected a whole number, got 1.5": lambda it: zeroth.integers(0, 1.5),  # type: ignore[arg-type]
    'options["seed"]: expected a whole number, got 1.5': lambda it: it.client.studies.create([0.0], options={"seed": 1.5}),
    "direction: expected one of minimize, maximize, got 'up'": lambda it: it.client.studies.create([0.0], direction="up"),
    "lease: expected a number, got 'x'": lambda it: it.study.ask("me", lease="x"),
    "values: expected values by the numbers of trials, got [1.0]": lambda it: it.study.tell([1.0]),
    "value of trial 1: expected a number, got None": lambda it: it.study.tell({1: None}),
    "evaluate: expected a function, got 3": lambda it: it.study.optimize(3),
    "vector: expected a zeroth.SeedVector, got an array of float32 [24, 4]": lambda it: it.study.optimize_vector(ROWS, len),
    "source: expected the path of a file or its bytes, got 3": lambda it: it.client.studies.import_from(3),
    "values: expected finite numbers, got others": lambda it: SeedVector([float("nan")]),
    "step: expected 0 to 2^44 - 1, got -1": lambda it: zeroth.seed_for(7, -1, 0),
    "index: expected a whole number, got 0.5": lambda it: zeroth.batch_rows(0.5, rows=8, batch_size=2, seed=1),  # type: ignore[arg-type]
    "weights: expected arrays in the order of their indices, got a dict of them: take its values()": lambda it: zeroth.weights_sha256({}),
    "base: expected tensors by name, got an array of float32 [24, 4]": lambda it: zeroth.apply_journal(ROWS, b""),  # type: ignore[arg-type]
    "journal: expected the path of a file or its bytes, got 3": lambda it: zeroth.read_journal(3),  # type: ignore[arg-type]
    "tensors: expected a list, each a text, got 'labels'": lambda it: it.client.judge("remote/any", len, tensors="labels"),
    "request: expected a zeroth.wire.GetRunRequest, got {'name': 'x'}": lambda it: it.client.call(wire.RunService.GetRun, {"name": "x"}),
    "attempts_max: expected at least 1, got 0": lambda it: RetryPolicy(attempts_max=0),
}


class It:
    """What there is to do wrong; nobody is there to be asked."""

    def __init__(self) -> None:
        self.client: Any = zeroth.connect("127.0.0.1:1", retry=RetryPolicy(attempts_max=1))
        self.run: Any = self.client.run("runs/any")
        self.study: Any = self.client.study("studies/any")


@pytest.mark.parametrize("message", WRONG)
def test_what_does_not_fit_is_said_before_it_is_sent(message: str) -> None:
    with pytest.raises((TypeError, ValueError)) as raised:
        WRONG[message](It())
    assert str(raised.value) == message


def test_a_vector_that_is_not_the_studys_is_refused_and_not_asked_about_for_ever(client: Client) -> None:
    searched = client.studies.create([0.0])
    with pytest.raises(ValueError, match=f"{searched.name}: expected a study in the seed form, got one with a search space"):
        searched.optimize_vector(SeedVector([0.0]), lambda values: 0.0)
    seeded = client.studies.create_seeded(3, SEEDED)
    with pytest.raises(ValueError, match="vector: expected 3 values, got 1"):
        seeded.optimize_vector(SeedVector([0.0]), lambda values: 0.0)


def test_what_a_callers_own_function_raises_under_an_upload_is_what_comes_out(client: Client) -> None:
    def broken(sent: int, total: int) -> None:
        raise KeyError("of the caller")

    with pytest.raises(KeyError, match="of the caller"):
        client.datasets.create({"x": ROWS + 1}, progress=broken)
