"""The asynchronous client: the same answers, several calls under way, steps on a stream; and what is given up ends on the server too."""

from __future__ import annotations

import asyncio
import pathlib
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from conftest import ServerProcess
from stand_in import SlowReader, StandIn, standing_in

import zeroth
from zeroth import Dataset, Run, ZerothError, wire

Tiny = dict[str, npt.NDArray[Any]]
SILENCE_ENDS = 20.0


def test_it_gives_what_the_blocking_client_gives(address: str, run: Run, dataset: Dataset, tmp_path: pathlib.Path) -> None:
    points = [[], [(7, 1e-2)], [(7, -1e-2)]]
    run.update([(3, 1e-2)])

    async def asked() -> None:
        async with zeroth.aio.connect(address) as client:
            same = await client.runs.get(run.name)
            batches = [dataset[start : start + 4] for start in range(0, 24, 4)]
            found = await asyncio.gather(*(same.evaluate(points, batch) for batch in batches))
            for batch, evaluation in zip(batches, found):
                assert evaluation.losses.tolist() == run.evaluate(points, batch).losses.tolist()
            assert (await same.update([(4, 1e-2)], request_id="four")).revision == 2
            assert run.update([(4, 1e-2)], request_id="four").replayed
            weights = await same.read_weights()
            for name, values in run.read_weights().items():
                np.testing.assert_array_equal(weights[name], values)
            assert [entry.revision async for entry in same.entries()] == [1, 2]
            assert await same.journal() == run.journal()
            await same.export(tmp_path / "there.onnx")
            with pytest.raises(ZerothError) as raised:
                await same.update([(1, 1e-3)], expected_revision=0)
            assert (raised.value.reason, raised.value.metadata["head"]) == ("REVISION_MISMATCH", "2")

    asyncio.run(asked())
    run.export(tmp_path / "here.onnx")
    assert (tmp_path / "there.onnx").read_bytes() == (tmp_path / "here.onnx").read_bytes()


def test_steps_on_a_stream_begin_in_the_order_of_asking(address: str, run: Run, dataset: Dataset) -> None:
    count = 100

    async def driven() -> list[zeroth.Stepped]:
        async with zeroth.aio.connect(address) as client, client.run(run.name).drive() as drive:
            # More than the server's window has room for.
            return await asyncio.gather(*(drive.step([(seed, 1e-4)], [[]], dataset, request_id=f"step-{seed}") for seed in range(count)))

    stepped = asyncio.run(driven())
    assert [each.update and each.update.revision for each in stepped] == list(range(1, count + 1))
    assert [entry.request_id for entry in run.entries()] == [f"step-{seed}" for seed in range(count)]
    last = stepped[-1].evaluation
    assert last is not None and last.losses == run.evaluate([[]], dataset).losses


def test_an_error_on_a_stream_is_that_of_its_own_step(address: str, run: Run, dataset: Dataset) -> None:
    async def driven() -> list[object]:
        async with zeroth.aio.connect(address) as client, client.run(run.name).drive() as drive:
            steps = [drive.step([(seed, 1e-4)], [[]], f"datasets/{'0' * 64}" if seed == 1 else dataset) for seed in range(3)]
            return await asyncio.gather(*steps, return_exceptions=True)

    first, second, third = asyncio.run(driven())
    assert isinstance(first, zeroth.Stepped) and isinstance(third, zeroth.Stepped)
    assert isinstance(second, ZerothError) and second.code == "NOT_FOUND"


def test_a_step_that_is_cancelled_while_it_is_written_leaves_the_others() -> None:
    """It is larger than what may be under way on a connection, and the stand-in does not read it until it is cancelled."""
    stand_in = SlowReader()
    large = {"x": np.zeros(3 * 2**20, np.uint8)}

    async def driven(address: str) -> zeroth.Stepped:
        async with zeroth.aio.connect(address) as client, client.run("runs/any").drive() as drive:
            await drive.step([], [[]], "datasets/any")
            written = asyncio.create_task(drive.step([], [[]], large))
            while drive._line is None or not drive._line._stream._writing.locked():
                await asyncio.sleep(0.001)
            behind = asyncio.create_task(drive.step([], [[]], "datasets/any"))
            written.cancel()
            await asyncio.wait([written], timeout=SILENCE_ENDS)
            assert written.cancelled()
            stand_in.may_read.set()
            return await asyncio.wait_for(behind, SILENCE_ENDS)

    with standing_in(stand_in) as address:
        stepped = asyncio.run(driven(address))
    assert stepped.evaluation is not None and stepped.evaluation.revision == 3


def test_a_stream_goes_on_after_the_server_was_killed(tmp_path: pathlib.Path, tiny: Tiny) -> None:
    data = str(tmp_path / "data")

    async def driven() -> None:
        server = ServerProcess(data=data)
        async with zeroth.aio.connect(server.address) as client:
            run = await client.runs.create(await client.models.load("torch-mlp.onnx"), objective="cross_entropy")
            dataset = await client.datasets.create(tiny)
            async with run.drive() as drive:
                first = await drive.step([(1, 1e-3)], [[]], dataset, request_id="one")
                server.kill()
                server = ServerProcess("--port", server.address.rsplit(":", 1)[1], data=data)
                again = await drive.step([(1, 1e-3)], [[]], dataset, request_id="one")
            assert first.update is not None and again.update is not None and again.update.replayed
            assert first.evaluation is not None and again.evaluation is not None
            assert first.evaluation.losses == again.evaluation.losses
            assert [entry.request_id async for entry in run.entries()] == ["one"]
        assert server.stop() == 0

    asyncio.run(driven())


def test_a_task_that_is_cancelled_ends_its_call() -> None:
    stand_in = StandIn(is_silent=True)

    async def cancelled(address: str) -> None:
        async with zeroth.aio.connect(address) as client:
            task = asyncio.create_task(client.run("runs/any").evaluate([[]], "datasets/any"))
            await asyncio.to_thread(stand_in.arrived.wait)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await asyncio.to_thread(stand_in.given_up.wait, SILENCE_ENDS)

    with standing_in(stand_in) as address:
        asyncio.run(cancelled(address))
    assert stand_in.calls.total() == 1


ENTRY = wire.WatchEntriesResponse(entry=wire.Entry(revision=1))


def test_a_loop_that_is_left_ends_its_stream() -> None:
    async def left(address: str) -> None:
        async with zeroth.aio.connect(address) as client:
            async for entry in client.run("runs/any").watch():
                assert entry.revision == 1
                break
            assert await asyncio.to_thread(stand_in.given_up.wait, SILENCE_ENDS)

    stand_in = StandIn(is_silent=True, first=ENTRY)
    with standing_in(stand_in) as address:
        asyncio.run(left(address))


def test_a_loop_that_is_left_ends_its_stream_of_the_blocking_client_too() -> None:
    stand_in = StandIn(is_silent=True, first=ENTRY)
    with standing_in(stand_in) as address, zeroth.connect(address) as client:
        for entry in client.run("runs/any").watch():
            assert entry.revision == 1
            break
        assert stand_in.given_up.wait(SILENCE_ENDS)


def test_a_watch_has_no_deadline_and_other_calls_have() -> None:
    """The stand-in's answer comes at once, and then nothing."""
    stand_in = StandIn(is_silent=True, first=ENTRY)
    with standing_in(stand_in) as address, zeroth.connect(address, timeout=0.2) as client:
        watched = client.run("runs/any").watch()
        assert next(watched).revision == 1
        with pytest.raises(ZerothError, match="DEADLINE_EXCEEDED"):
            list(client.run("runs/any").outputs([[]], "datasets/any"))
        assert stand_in.calls["/zeroth.v1.JournalService/WatchEntries"] == 1
        watched.close()  # type: ignore[attr-defined]
