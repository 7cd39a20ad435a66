"""The blocking client against a real server."""

from __future__ import annotations

import pathlib
import socket
from typing import Any

import grpc
import numpy as np
import numpy.typing as npt
import pytest
from conftest import ServerProcess

import zeroth
from zeroth import Client, Dataset, Decay, Point, Run, ZerothError, wire

Tiny = dict[str, npt.NDArray[Any]]


def test_a_model_that_is_loaded_already_is_taken(client: Client) -> None:
    model = client.models.load("torch-mlp.onnx")
    assert client.models.load("torch-mlp.onnx") == model == client.models.get(model.name)
    assert model.name in [each.name for each in client.models.list()]
    with pytest.raises(ZerothError) as raised:
        client.models.load("sklearn-mlp.onnx", model_id=model.name.removeprefix("models/"))
    assert (raised.value.code, raised.value.resource) == ("ALREADY_EXISTS", model.name)


def test_datasets_are_stored_once_and_say_how_far_they_are(client: Client, tiny: Tiny) -> None:
    seen: list[tuple[int, int]] = []
    fresh = {"x": tiny["x"] * np.float32(2), "labels": tiny["labels"]}
    dataset = client.datasets.create(fresh, chunk_bytes=100, progress=lambda sent, total: seen.append((sent, total)))
    total = 24 * 4 * 4 + 24 * 8
    assert (dataset.rows, dataset.bytes, dataset.existed, dict(dataset.shapes)) == (24, total, False, {"x": (24, 4), "labels": (24,)})
    assert seen == [(100, total), (200, total), (300, total), (384, total), (484, total), (576, total)]
    again = client.datasets.create({"x": np.asfortranarray(fresh["x"].astype(">f4")), "labels": fresh["labels"]})
    assert (again.name, again.existed) == (dataset.name, True)
    assert client.datasets.get(dataset.name).rows == 24
    client.datasets.delete(dataset.name)
    assert dataset.name not in [each.name for each in client.datasets.list()]


def test_a_dataset_of_a_type_that_the_contract_has_not_is_refused_before_it_is_sent(client: Client) -> None:
    with pytest.raises(TypeError, match="dtype: expected one of float32, .* got complex128"):
        client.datasets.create({"x": np.zeros((2, 2), complex)})


def test_rows_of_a_dataset_are_those_of_the_array(run: Run, dataset: Dataset, tiny: Tiny) -> None:
    every = run.evaluate([[]], dataset, per_example=True)
    assert every.per_example_losses is not None
    assert every.per_example_losses.shape == (1, 24)
    np.testing.assert_allclose(every.losses, every.per_example_losses.mean(axis=1), rtol=1e-12)
    for rows in (slice(3, 9), slice(None, None, 5), slice(-4, None), [5, 3, 3], np.array([7, 1], np.int32)):
        some = run.evaluate([[]], dataset[rows], per_example=True).per_example_losses
        inline = run.evaluate([[]], {name: array[rows] for name, array in tiny.items()}, per_example=True).per_example_losses
        assert some is not None and inline is not None
        np.testing.assert_array_equal(some, inline)
        np.testing.assert_allclose(some[0], every.per_example_losses[0][rows], rtol=1e-5)
    with pytest.raises(TypeError, match="rows: expected whole numbers, got bool"):
        dataset[tiny["labels"] == 1]


def test_evaluating_changes_nothing_and_updating_does_once(run: Run, dataset: Dataset) -> None:
    before = run.evaluate([[], [(7, 1e-2)], [(7, -1e-2)]], dataset)
    assert before.finite.all() and before.examples.tolist() == [24, 24, 24] and before.revision == 0
    first = run.update([(7, 1e-2)], request_id="one")
    again = run.update([(7, 1e-2)], request_id="one")
    assert (first.revision, first.replayed, again.revision, again.replayed) == (1, False, 1, True)
    assert run.revision == 1
    after = run.evaluate([[], Point(revision=0), Point([(7, -1e-2)], revision=0)], dataset)
    assert after.losses.tolist() == before.losses[[1, 0, 2]].tolist()


def test_an_update_has_an_id_of_its_own_where_it_was_given_none(run: Run) -> None:
    run.update([(1, 1e-3)])
    run.update([(1, 1e-3)])
    ids = [entry.request_id for entry in run.entries()]
    assert len(set(ids)) == 2 and "" not in ids


def test_a_step_is_an_update_and_an_evaluation(run: Run, dataset: Dataset) -> None:
    stepped = run.step([(3, 1e-2)], [[]], dataset)
    assert stepped.update is not None and stepped.evaluation is not None
    assert (stepped.update.revision, stepped.evaluation.revision) == (1, 1)
    looked = run.step([], [[]], dataset, objective="accuracy")
    assert looked.update is None and looked.evaluation is not None
    assert looked.evaluation.losses == run.evaluate([[]], dataset, objective="accuracy").losses


def test_points_at_snapshots_and_handles(run: Run, dataset: Dataset) -> None:
    here = run.evaluate([[(9, 1e-3)]], dataset).losses
    handle = run.perturb([(9, 1e-3)])
    run.snapshot("before", revision=0)
    run.update([(1, 0.1)])
    at = run.evaluate([Point([(9, 1e-3)], snapshot="before"), handle, Point([(9, 1e-3)], revision=0)], dataset)
    assert at.losses.tolist() == [*here, *here, *here]
    run.delete_snapshot("before")
    with pytest.raises(ZerothError) as raised:
        run.evaluate([Point(snapshot="before")], dataset)
    assert raised.value.code == "NOT_FOUND"
    with pytest.raises(ValueError, match=r"points\[0\]: expected at most one of revision, snapshot and handle"):
        run.evaluate([Point(revision=0, snapshot="before")], dataset)


def test_outputs_come_with_an_evaluation_or_in_pieces(run: Run, dataset: Dataset) -> None:
    whole = run.evaluate([[]], dataset, outputs=["logits"]).outputs[0]["logits"]
    assert whole.shape == (24, 3) and whole.dtype == np.float32
    pieced = np.full_like(whole, np.nan)
    for piece in run.outputs([[]], dataset):
        pieced[piece.places] = next(iter(piece.arrays.values()))
    np.testing.assert_array_equal(pieced, whole)
    some = run.evaluate([[]], dataset, outputs=["logits"], output_rows=[4, 2]).outputs[0]["logits"]
    np.testing.assert_array_equal(some, whole[[4, 2]])


def test_the_past_is_listed_watched_forked_and_gone_back_to(client: Client, run: Run, dataset: Dataset) -> None:
    for seed in range(5):
        run.update([(seed, 1e-3)], request_id=f"step-{seed}")
    assert [entry.revision for entry in run.entries(after=2)] == [3, 4, 5]
    watched = []
    for entry in run.watch(after=3):
        watched.append(entry.request_id)
        if len(watched) == 2:
            break
    assert watched == ["step-3", "step-4"]
    fork = run.fork(revision=2, run_id=f"{run.name.removeprefix('runs/')}-fork")
    assert fork.revision == 2 and fork.info.forked_from == run.name
    back = run.rollback(2, request_id="back")
    assert (back.revision, run.rollback(2, request_id="back").replayed) == (6, True)
    assert run.evaluate([[]], dataset).losses == fork.evaluate([[]], dataset).losses
    assert fork.name in [each.name for each in client.runs.list()]
    fork.delete()
    with pytest.raises(ZerothError, match="NOT_FOUND") as raised:
        client.runs.get(fork.name)
    assert raised.value.resource == fork.name


def test_lists_go_over_all_pages(address: str, client: Client, run: Run) -> None:
    # The server gives at most so many entries a page.
    page = client.info().limits["pageSizeMax"]
    count = 40 if page > 40 else page + 1
    for seed in range(count):
        run.update([(seed, 1e-6)])
    request = wire.ListEntriesRequest(run=run.name, page_size=7)
    with zeroth.connect(address) as other:
        pages = list(other._channel.pages(wire.JournalService.ListEntries, request))
    assert [len(page.entries) for page in pages] == [7, 7, 7, 7, 7, 5]
    assert [entry.revision for page in pages for entry in page.entries] == list(range(1, count + 1))


def test_weights_have_names_shapes_and_the_digest_of_the_run(run: Run) -> None:
    run.update([(5, 0.01)])
    weights = run.read_weights()
    assert {name: array.shape for name, array in weights.items()} == {each.name: tuple(each.shape) for each in run.info.trainable}
    assert zeroth.weights_sha256(weights.values()) == run.verify().weights_sha256
    base = run.read_weights(Point(revision=0))
    assert zeroth.weights_sha256(base.values()) == run.info.base_sha256
    name = run.info.trainable[1].name
    some = run.read_weights([(5, -0.01)], parameters=[name])
    assert list(some) == [name]
    np.testing.assert_array_equal(some[name], base[name])
    some[name][:] = 0


def test_an_export_is_all_there_or_not_at_all(run: Run, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "tuned.onnx"
    header = run.export(path)
    assert path.stat().st_size == header.bytes
    assert (path.stat().st_mode & 0o777) == (pathlib.Path(__file__).stat().st_mode & 0o666 & ~0o022 | (path.stat().st_mode & 0o022))
    path.write_bytes(b"what was there before")
    with pytest.raises(ZerothError, match="OUT_OF_RANGE"):
        run.export(path, revision=99)
    assert path.read_bytes() == b"what was there before"
    assert [each.name for each in tmp_path.iterdir()] == ["tuned.onnx"]
    with pytest.raises(ValueError, match="format: expected one of onnx, onnx-merged, safetensors, journal, got 'gguf'"):
        run.export(path, format="gguf")


def test_what_the_server_refuses_says_why(run: Run, dataset: Dataset) -> None:
    run.update([(1, 1e-3)])
    with pytest.raises(ZerothError) as raised:
        run.update([(1, 1e-3)], expected_revision=0)
    assert (raised.value.code, raised.value.reason, raised.value.metadata["head"]) == ("ABORTED", "REVISION_MISMATCH", "1")
    with pytest.raises(ZerothError) as raised:
        run.evaluate([], dataset)
    assert raised.value.code == "INVALID_ARGUMENT"
    assert [each.field for each in raised.value.violations] == ["points"]
    with pytest.raises(ValueError, match=r"seed: expected 0 to 2\^64 - 1, got -1"):
        run.update([(-1, 1e-3)])


def test_decay_takes_patterns(run: Run) -> None:
    names = [each.name for each in run.refresh().trainable]
    biases = [index for index, name in enumerate(names) if "bias" in name]
    run.update([], decay=Decay(0.9, seed=3, exclude=["*bias*"]))
    [entry] = run.entries()
    assert list(entry.shifts.decay.tensors) == [index for index in range(len(names)) if index not in biases]
    assert 0 < len(biases) < len(names)


def test_a_deadline_is_that_of_a_client_or_of_a_run() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, zeroth.connect(f"127.0.0.1:{silent.getsockname()[1]}") as client:
        with pytest.raises(ZerothError, match="DEADLINE_EXCEEDED"):
            client.within(0.05).info()
        with pytest.raises(ZerothError, match="DEADLINE_EXCEEDED"):
            client.run("runs/any").within(0.05).refresh()


def test_a_run_by_its_name_alone_is_asked_for_when_it_has_to_be(client: Client, run: Run, dataset: Dataset) -> None:
    same = client.run(run.name)
    assert same.evaluate([[]], dataset).losses == run.evaluate([[]], dataset).losses
    with pytest.raises(ValueError, match=r"call refresh\(\) first"):
        _ = same.info
    assert same.refresh().name == run.name


def test_any_call_of_the_contract_by_its_message(client: Client, run: Run) -> None:
    answer = client.call(wire.RunService.GetRun, wire.GetRunRequest(name=run.name), repeatable=True)
    assert answer.run.name == run.name
    with pytest.raises(ZerothError, match="UNIMPLEMENTED: objectiveDir: expected a folder of objectives, got none") as raised:
        client.reload_objectives()
    assert isinstance(raised.value.__context__, grpc.RpcError)


def test_a_training_by_the_server(client: Client, run: Run, dataset: Dataset) -> None:
    look = wire.EvaluationPlan(dataset=dataset.name, every=10)
    training = run.train(
        zeroth.strategy("mezo", learning_rate=1e-2, seed=1), dataset, batch_size=8, batch_seed=2, steps=30, evaluation=look
    )
    steps = [event.step.step for event in training.watch() if event.HasField("step")]
    assert steps == list(range(1, 31))
    done = training.finished()
    assert (done.state, done.step) == (wire.TRAINING_STATE_COMPLETED, 30)
    assert [each.name for each in run.trainings()] == [training.name]
    assert training.name in [each.name for each in client.trainings.list()]
    assert client.trainings.get(training.name).info.step == 30
    training.delete()


def test_a_training_that_is_paused_goes_on(run: Run, dataset: Dataset) -> None:
    training = run.train(zeroth.strategy("mezo", learning_rate=1e-3, seed=1), dataset, batch_size=8, steps=100_000)
    assert training.pause().state == wire.TRAINING_STATE_PAUSED
    assert training.resume().state == wire.TRAINING_STATE_RUNNING
    assert training.stop().state == wire.TRAINING_STATE_STOPPED
    assert training.finished().state == wire.TRAINING_STATE_STOPPED


def test_strategies_and_budgets_are_checked_before_they_are_sent(run: Run, dataset: Dataset) -> None:
    with pytest.raises(ValueError, match="strategy: expected one of mezo, mezo-svrg, .* got 'adam'"):
        zeroth.strategy("adam")
    with pytest.raises(ValueError, match="mezo: expected options of seed, learning_rate, .* got 'rate'"):
        zeroth.strategy("mezo", rate=1)
    with pytest.raises(ValueError, match="budget: expected either steps or examples"):
        run.train(zeroth.strategy("mezo", learning_rate=1), dataset, batch_size=8)


def test_updates_outlive_a_server_that_is_killed(tmp_path: pathlib.Path, tiny: Tiny) -> None:
    data = str(tmp_path / "data")
    server = ServerProcess(data=data)
    port = server.address.rsplit(":", 1)[1]
    with zeroth.connect(server.address) as client:
        run = client.runs.create(client.models.load("torch-mlp.onnx"), objective="cross_entropy")
        dataset = client.datasets.create(tiny)
        run.update([(1, 1e-3)], request_id="one")
        before = run.evaluate([[]], dataset).losses
        server.kill()
        server = ServerProcess("--port", port, data=data)
        # The connection is gone, and the server may be loading still.
        assert run.update([(1, 1e-3)], request_id="one").replayed
        assert run.evaluate([[]], dataset).losses == before
    assert server.stop() == 0
