"""An objective that this process computes: blocking and asynchronous."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from stand_in import StandIn, standing_in

import zeroth
from zeroth import Client, Dataset, RetryPolicy, Run, ZerothError

HANGS = 20.0
Arrays = dict[str, npt.NDArray[Any]]


def first_score(outputs: Arrays, tensors: Arrays) -> npt.NDArray[np.float64]:
    [logits] = outputs.values()
    losses: npt.NDArray[np.float64] = logits[:, 0].astype(np.float64) + tensors["labels"]
    return losses


@contextmanager
def serving(address: str, name: str, score: Any) -> Iterator[None]:
    with zeroth.connect(address) as client:
        judge = client.judge(name, score, tensors=("labels",))
        served = threading.Event()
        thread = threading.Thread(target=judge.serve, args=(served.set,))
        thread.start()
        served.wait()
        yield
        judge.close()
        thread.join()


def test_the_server_asks_it_for_the_losses_of_rows(address: str, run: Run, dataset: Dataset, tiny: Arrays) -> None:
    logits = run.evaluate([[]], dataset, outputs=["logits"]).outputs[0]["logits"]
    with serving(address, "remote/first-score", first_score):
        found = run.evaluate([[]], dataset, objective="remote/first-score", per_example=True)
    assert found.per_example_losses is not None
    assert found.per_example_losses[0].tolist() == (logits[:, 0].astype(np.float64) + tiny["labels"]).tolist()


def test_what_it_raises_is_the_error_of_the_evaluation(address: str, run: Run, dataset: Dataset) -> None:
    def broken(_: Arrays, __: Arrays) -> float:
        raise KeyError("nothing there")

    with serving(address, "remote/broken", broken):
        with pytest.raises(ZerothError, match="KeyError: 'nothing there'"):
            run.evaluate([[]], dataset, objective="remote/broken")
        # And of this one alone.
        with pytest.raises(ZerothError, match="KeyError: 'nothing there'"):
            run.evaluate([[]], dataset, objective="remote/broken")


def test_one_number_for_all_rows_will_do_and_scores_may_be_awaited(address: str, client: Client, run: Run, dataset: Dataset) -> None:
    async def mean(outputs: Arrays, tensors: Arrays) -> npt.ArrayLike:
        await asyncio.sleep(0)
        return np.mean(first_score(outputs, tensors))

    async def served() -> float:
        async with zeroth.aio.connect(address) as other:
            judge = other.judge("remote/mean", mean, tensors=("labels",))
            is_served = asyncio.Event()
            task = asyncio.create_task(judge.serve(is_served.set))
            await is_served.wait()
            losses = (await other.run(run.name).evaluate([[]], dataset, objective="remote/mean")).losses
            judge.close()
            await task
            return float(losses[0])

    mean_loss = asyncio.run(served())
    with serving(address, "remote/first-score", first_score):
        [expected] = run.evaluate([[]], dataset, objective="remote/first-score").losses
    assert mean_loss == pytest.approx(expected, rel=1e-12)


def test_it_comes_back_where_the_stream_breaks_and_ends_where_it_is_closed() -> None:
    stand_in = StandIn()
    with standing_in(stand_in) as address, zeroth.connect(address, retry=RetryPolicy(delay=0.001)) as client:
        judge = client.judge("remote/any", first_score)
        thread = threading.Thread(target=judge.serve)
        thread.start()
        while stand_in.calls.total() < 3:
            assert thread.is_alive()
            time.sleep(0.001)
        judge.close()
        thread.join()


def test_closed_between_its_look_and_its_stream_it_ends(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`close` finds no stream to end then; the server would keep the one that comes for ever."""

    def closing_in_between(judge: Any) -> None:
        opened = judge._channel.duplex

        def duplex(method: Any) -> Any:
            judge.close()
            return opened(method)

        monkeypatch.setattr(judge._channel, "duplex", duplex)

    async def served() -> None:
        async with zeroth.aio.connect(address) as other:
            judge = other.judge("remote/closed", first_score)
            closing_in_between(judge)
            await asyncio.wait_for(judge.serve(), HANGS)

    with zeroth.connect(address) as client:
        judge = client.judge("remote/closed", first_score)
        closing_in_between(judge)
        thread = threading.Thread(target=judge.serve, daemon=True)
        thread.start()
        thread.join(HANGS)
        assert not thread.is_alive()
    asyncio.run(served())


def test_a_name_that_the_server_refuses_ends_it(client: Client) -> None:
    with pytest.raises(ZerothError, match="INVALID_ARGUMENT"):
        client.judge("mine", first_score).serve()
