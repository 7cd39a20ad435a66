"""Black-box studies: whoever evaluates, the study goes on; in the seed form all clients have the same vector."""

from __future__ import annotations

import asyncio
import pathlib
import threading
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import zeroth
from zeroth import Client, Infeasible, SeedVector, ZerothError, wire
from zeroth.spaces import Noise, ParameterRange
from zeroth.study_file import PIECE_BYTES


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


@pytest.mark.parametrize(("noise", "sent"), [(5.0, wire.StudyNoise(deviation=5.0)), ("unknown", wire.StudyNoise())])
def test_where_values_are_noisy_there_is_an_estimate_and_no_best(client: Client, noise: Noise, sent: wire.StudyNoise) -> None:
    space: dict[str, ParameterRange] = {"a": zeroth.floats(0, 10), "b": zeroth.floats(0, 10)}
    study = client.studies.create(space, options={"seed": 1}, trials=300, noise=noise)
    assert study.refresh().plan.noise == sent and study.refresh().plan.HasField("noise")
    assert study.estimate() is None
    random = np.random.default_rng(0)
    assert study.optimize(lambda point: float((point["a"] - 2) ** 2 + (point["b"] - 2) ** 2 + random.normal(scale=5.0)), count=30) == 300
    estimate = study.estimate()
    assert study.best() is None and estimate is not None and isinstance(estimate.point, dict)
    # It began in the middle.
    assert sum((float(each) - 2) ** 2 for each in estimate.point.values()) < 18
    told = client.call(wire.StudyService.GetBest, wire.GetBestRequest(study=study.name)).estimate
    assert estimate.point == {name: value.number for name, value in told.point.parameters.values.items()}
    assert (estimate.value, estimate.standard_error) == (told.value, told.standard_error)
    assert (estimate.points, estimate.evaluations) == (told.points, told.evaluations)
    assert 0 < told.standard_error and 0 < told.points <= told.evaluations <= 300


def test_without_the_hint_there_is_a_best_and_no_estimate(client: Client) -> None:
    study = client.studies.create([0.0], scale=1.0, options={"seed": 1}, trials=20)
    study.optimize(lambda x: float(x[0] ** 2))
    assert study.best() is not None and study.estimate() is None


def test_a_hint_that_makes_no_sense_is_refused(client: Client) -> None:
    for wrong in ("loud", True):
        with pytest.raises(ValueError, match=f"noise: expected a standard deviation or 'unknown', got {wrong!r}"):
            client.studies.create([0.0], noise=wrong)  # type: ignore[arg-type,unused-ignore]
    with pytest.raises(ZerothError, match=r"plan\.noise\.deviation: expected a finite number above 0, got 0"):
        client.studies.create([0.0], noise=0.0)
    with pytest.raises(ZerothError, match=r"plan\.noise: expected an optimizer that can do with it"):
        client.studies.create([0.0], optimizer="random", noise="unknown")


def test_a_study_that_is_exported_and_imported_goes_on_as_the_original(client: Client, tmp_path: pathlib.Path) -> None:
    def evaluate(x: npt.NDArray[np.float64]) -> float:
        return float(np.square(x - 1).sum())

    study = client.studies.create([0.0, 0.0], scale=1.0, options={"seed": 1}, trials=200)
    study.tell({trial.number: evaluate(np.asarray(trial.point)) for trial in study.ask("me", count=60)})
    [left] = study.ask("me")
    path = tmp_path / "study"
    study.export(path)
    copies = [client.studies.import_from(path), client.studies.import_from(path.read_bytes(), study_id="copied")]
    assert copies[1].name == "studies/copied"
    [again] = copies[0].ask("you")
    assert (again.number, np.asarray(again.point).tolist()) == (left.number, np.asarray(left.point).tolist())
    # In the other copy it is the first that is offered.
    study.tell({left.number: evaluate(np.asarray(left.point))})
    copies[0].tell({again.number: evaluate(np.asarray(again.point))})
    for each in (study, *copies):
        each.optimize(evaluate)
    points = [[np.asarray(trial.point).tolist() for trial in each.trials()] for each in (study, *copies)]
    assert len(points[0]) == 200 and points[1] == points[0] and points[2] == points[0]
    assert [each.name for each in tmp_path.iterdir()] == ["study"]
    copies[1].delete()


def test_a_study_larger_than_a_message_comes_and_goes_in_pieces(client: Client, address: str, tmp_path: pathlib.Path) -> None:
    study = client.studies.create([0.0] * 300, optimizer="random", scale=1.0, options={"seed": 1})
    for _ in range(4):
        study.tell({trial.number: 1.0 for trial in study.ask("me", count=100)})
    path = tmp_path / "study"

    async def moved() -> str:
        async with zeroth.aio.connect(address) as other:
            await other.study(study.name).export(path)
            return (await other.studies.import_from(path)).name

    same = client.study(asyncio.run(moved()))
    assert path.stat().st_size > 2 * PIECE_BYTES
    assert (same.refresh().trials, same.refresh().told) == (400, 400)
    np.testing.assert_array_equal([trial.point for trial in same.trials()], [trial.point for trial in study.trials()])


def test_what_is_no_whole_export_is_refused_and_what_is_not_there_not_asked_for(client: Client, tmp_path: pathlib.Path) -> None:
    study = client.studies.create([0.0], scale=1.0, options={"seed": 1})
    path = tmp_path / "study"
    path.write_bytes(b"what was there before")
    with pytest.raises(ZerothError, match="NOT_FOUND"):
        client.study("studies/none").export(path)
    assert path.read_bytes() == b"what was there before" and len(list(tmp_path.iterdir())) == 1
    study.export(path)
    with pytest.raises(ZerothError, match="INVALID_ARGUMENT: data: expected an export up to its last line"):
        client.studies.import_from(path.read_bytes()[:-10], study_id="cut")
    with pytest.raises(ZerothError, match="NOT_FOUND"):
        client.studies.get("studies/cut")
    with pytest.raises(FileNotFoundError, match="no-such-file"):
        client.studies.import_from(tmp_path / "no-such-file")


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
