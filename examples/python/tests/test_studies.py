"""Black-box studies: whoever evaluates, the study goes on; in the seed form all clients have the same vector."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import zeroth
from zeroth import Client, Infeasible, SeedVector, ZerothError, wire
from zeroth.spaces import ParameterRange


def test_the_best_of_a_study_is_the_best_that_was_told(client: Client) -> None:
    space: dict[str, ParameterRange] = {"rate": zeroth.floats(1e-5, 1.0, log=True), "layers": zeroth.integers(1, 4), "kind": ["relu", "gelu"]}
    study = client.studies.create(space, optimizer="random", options={"seed": 2**64 - 1}, trials=20)
    seen: list[tuple[float, dict[str, Any]]] = []

    def evaluate(point: dict[str, Any]) -> float:
        assert isinstance(point["layers"], int) and point["kind"] in ("relu", "gelu") and 1e-5 <= point["rate"] <= 1
        if point["kind"] == "gelu" and point["layers"] == 1:
            raise Infeasible("too small")
        value = abs(np.log10(point["rate"]) + 3) + point["layers"]
        seen.append((value, point))
        return float(value)

    assert study.optimize(evaluate, count=3) == 20
    best = study.best()
    assert best is not None and (best.value, best.point) == min(seen, key=lambda each: each[0])
    trials = list(study.trials())
    assert [trial.number for trial in trials] == list(range(1, 21))
    infeasible = [trial for trial in trials if trial.state == "INFEASIBLE"]
    assert len(infeasible) == 20 - len(seen) > 0
    assert {trial.reason for trial in infeasible} == {"too small"}
    study.delete()
    with pytest.raises(ZerothError, match="NOT_FOUND"):
        client.studies.get(study.name)


def test_trials_are_asked_for_and_told_by_hand_or_without_an_end(client: Client) -> None:
    study = client.studies.create([0.0, 0.0], scale=1.0, options={"seed": 1})
    assert study.best() is None
    [first, second] = study.ask("me", count=2)
    [third] = study.ask("you")
    assert [first.number, second.number, third.number] == [1, 2, 3]
    study.tell({first.number: 2.0, second.number: float("nan")})
    best = study.best()
    assert best is not None and (best.number, best.value) == (first.number, 2.0)
    np.testing.assert_array_equal(best.point, first.point)
    assert study.name in [each.name for each in client.studies.list()]
    assert [trial.state for trial in study.trials()] == ["TOLD", "INFEASIBLE", "OPEN"]


def test_other_errors_end_the_loop_and_the_trial_stays_open(client: Client) -> None:
    study = client.studies.create([0.0], scale=1.0, options={"seed": 1}, trials=3)
    with pytest.raises(ZeroDivisionError):
        study.optimize(lambda _: 1 / 0)
    assert [trial.state for trial in study.trials()] == ["OPEN"]


def sphere(values: npt.NDArray[np.float32]) -> float:
    return float(np.square(values.astype(np.float64) - 1).sum())


def test_clients_that_share_a_study_in_the_seed_form_end_at_the_same_bits(client: Client, address: str) -> None:
    study = client.studies.create_seeded(130, zeroth.strategy("mezo", learning_rate=1e-3, seed=3), trials=80)
    begin = np.linspace(-1, 1, 130, dtype=np.float32)
    vectors = [SeedVector(begin) for _ in range(3)]
    told: list[int] = []

    def blocking(vector: SeedVector) -> None:
        with zeroth.connect(address) as other:
            told.append(other.study(study.name).optimize_vector(vector, sphere))

    async def evaluated(values: npt.NDArray[np.float32]) -> float:
        await asyncio.sleep(0)
        return sphere(values)

    async def asynchronous(vector: SeedVector) -> None:
        async with zeroth.aio.connect(address) as other:
            told.append(await other.study(study.name).optimize_vector(vector, evaluated))

    threads = [threading.Thread(target=blocking, args=(vector,)) for vector in vectors[:2]]
    threads.append(threading.Thread(target=lambda: asyncio.run(asynchronous(vectors[2]))))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(told) == 80 and study.refresh().state == wire.STUDY_STATE_COMPLETED
    assert {(vector.revision, vector.values.tobytes()) for vector in vectors} == {(40, vectors[0].values.tobytes())}
    assert sphere(vectors[0].values) < sphere(begin)


def test_updates_with_a_gap_are_refused_and_those_that_came_before_passed_over() -> None:
    vector = SeedVector([0.5, 0.25])
    updates = [wire.StudyUpdate(revision=n, shifts=[wire.Shift(seed=n, scale=0.1)]) for n in (1, 2, 3)]
    vector.apply(updates[:2])
    once = vector.values.copy()
    vector.apply(updates[:2])
    np.testing.assert_array_equal(vector.values, once)
    with pytest.raises(ValueError, match="updates: expected revision 1, got 2"):
        SeedVector([0.5]).apply(updates[1:])
    with vector.at([(9, 0.1)]) as moved:
        assert (moved != once).any()
    np.testing.assert_array_equal(vector.values, once)
