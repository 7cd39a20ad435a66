"""What is sent again where its answer was lost: what may be, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from stand_in import StandIn, standing_in

import zeroth
from zeroth import Client, RetryPolicy, ZerothError, wire

TWICE = RetryPolicy(attempts_max=2, delay=0.001)
BATCH = {"x": np.zeros((1, 4), np.float32)}
PLAN = zeroth.strategy("mezo", learning_rate=1e-3)

Call = Callable[[Client], object]


def run(client: Client) -> zeroth.Run:
    return client.run("runs/any")


def training(client: Client) -> zeroth.Training:
    return client.training("runs/any/trainings/any")


def study(client: Client) -> zeroth.Study:
    return client.study("studies/any")


# Pure, or known by an id or a digest when it comes a second time.
REPEATED: dict[str, Call] = {
    "ServerService/GetServerInfo": lambda client: client.info(),
    "ServerService/ReloadObjectives": lambda client: client.reload_objectives(),
    "ModelService/ListModels": lambda client: list(client.models.list()),
    "ModelService/GetModel": lambda client: client.models.get("models/any"),
    "ModelService/LoadModel": lambda client: client.models.load("any.onnx"),
    "DatasetService/CreateDataset": lambda client: client.datasets.create(BATCH),
    "DatasetService/GetDataset": lambda client: client.datasets.get("datasets/any"),
    "DatasetService/ListDatasets": lambda client: list(client.datasets.list()),
    "RunService/GetRun": lambda client: run(client).refresh(),
    "RunService/ListRuns": lambda client: list(client.runs.list()),
    "RunService/RollbackRun": lambda client: run(client).rollback(0),
    "RunService/CreateSnapshot": lambda client: run(client).snapshot("any", revision=1),
    "RunService/ExportRun": lambda client: run(client).journal(),
    "OracleService/Evaluate": lambda client: run(client).evaluate([[]], BATCH),
    "OracleService/Update": lambda client: run(client).update([(1, 1.0)]),
    "OracleService/Step": lambda client: run(client).step([(1, 1.0)], [[]], BATCH),
    "OracleService/Perturb": lambda client: run(client).perturb([(1, 1.0)]),
    "JournalService/ListEntries": lambda client: list(run(client).entries()),
    "JournalService/WatchEntries": lambda client: list(run(client).watch()),
    "JournalService/VerifyRun": lambda client: run(client).verify(),
    "TrainingService/ListTrainings": lambda client: list(client.trainings.list()),
    "TrainingService/GetTraining": lambda client: training(client).refresh(),
    "TrainingService/WatchTraining": lambda client: list(training(client).watch()),
    "TrainingService/PauseTraining": lambda client: training(client).pause(),
    "TrainingService/ResumeTraining": lambda client: training(client).resume(),
    "TrainingService/StopTraining": lambda client: training(client).stop(),
    "StudyService/ListStudies": lambda client: list(client.studies.list()),
    "StudyService/GetStudy": lambda client: study(client).refresh(),
    "StudyService/GetBest": lambda client: study(client).best(),
    "StudyService/ListTrials": lambda client: list(study(client).trials()),
    "StudyService/Ask": lambda client: study(client).ask("me"),
    "StudyService/Tell": lambda client: study(client).tell({1: 0.5}),
}

# A second one would do something else, or fail: nobody but the caller knows what to make of that.
SENT_ONCE: dict[str, Call] = {
    "ModelService/UnloadModel": lambda client: client.models.unload("models/any"),
    "DatasetService/DeleteDataset": lambda client: client.datasets.delete("datasets/any"),
    "RunService/CreateRun": lambda client: client.runs.create("models/any"),
    "RunService/ForkRun": lambda client: run(client).fork(),
    "RunService/DeleteRun": lambda client: run(client).delete(),
    "RunService/CreateSnapshot": lambda client: run(client).snapshot("any"),
    "RunService/DeleteSnapshot": lambda client: run(client).delete_snapshot("any"),
    "OracleService/EvaluateOutputs": lambda client: list(run(client).outputs([[]], BATCH)),
    "TrainingService/StartTraining": lambda client: run(client).train(PLAN, "datasets/any", batch_size=1, steps=1),
    "TrainingService/DeleteTraining": lambda client: training(client).delete(),
    "StudyService/CreateStudy": lambda client: client.studies.create([0.0]),
    "StudyService/DeleteStudy": lambda client: study(client).delete(),
}

ELSEWHERE = {
    # Behind GetRun, which the stand-in does not answer: test_client.py.
    "RunService/ReadWeights",
    # In both directions: test_aio.py and test_judge.py.
    "OracleService/Drive",
    "ObjectiveService/ServeObjective",
    # Behind the answer to an Ask.
    "StudyService/ListUpdates",
    # Files of studies are not in this client, but for `client.call`.
    "StudyService/ExportStudy",
    "StudyService/ImportStudy",
}


def calls_at(address: str, call: Call) -> ZerothError:
    with zeroth.connect(address, retry=TWICE) as client, pytest.raises(ZerothError) as raised:
        call(client)
    return raised.value


@pytest.mark.parametrize("path", REPEATED)
def test_what_may_be_repeated_is(path: str) -> None:
    stand_in = StandIn()
    with standing_in(stand_in) as address:
        assert calls_at(address, REPEATED[path]).code == "UNAVAILABLE"
    assert stand_in.calls == {f"/zeroth.v1.{path}": 2}


@pytest.mark.parametrize("path", SENT_ONCE)
def test_what_may_not_be_repeated_is_sent_once(path: str) -> None:
    stand_in = StandIn()
    with standing_in(stand_in) as address:
        assert calls_at(address, SENT_ONCE[path]).code == "UNAVAILABLE"
    assert stand_in.calls == {f"/zeroth.v1.{path}": 1}


def test_no_call_of_the_contract_was_forgotten() -> None:
    services: list[Any] = [each for name, each in vars(wire).items() if name.endswith("Service")]
    paths = {method.path.removeprefix("/zeroth.v1.") for each in services for name, method in vars(each).items() if name[0].isupper()}
    assert paths == set(REPEATED) | set(SENT_ONCE) | ELSEWHERE


def test_any_call_by_its_message_is_sent_once_unless_it_may_be_repeated() -> None:
    stand_in, request = StandIn(), wire.GetRunRequest(name="runs/any")
    with standing_in(stand_in) as address:
        calls_at(address, lambda client: client.call(wire.RunService.GetRun, request))
        assert stand_in.calls.total() == 1
        calls_at(address, lambda client: client.call(wire.RunService.GetRun, request, repeatable=True))
    assert stand_in.calls.total() == 3


def test_the_asynchronous_client_does_the_same() -> None:
    async def both(address: str) -> None:
        async with zeroth.aio.connect(address, retry=TWICE) as client:
            with pytest.raises(ZerothError, match="UNAVAILABLE: the answer was lost"):
                await client.run("runs/any").evaluate([[]], BATCH)
            with pytest.raises(ZerothError, match="UNAVAILABLE: the answer was lost"):
                await client.runs.create("models/any")

    stand_in = StandIn()
    with standing_in(stand_in) as address:
        asyncio.run(both(address))
    assert stand_in.calls == {"/zeroth.v1.OracleService/Evaluate": 2, "/zeroth.v1.RunService/CreateRun": 1}
