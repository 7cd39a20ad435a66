"""What is sent again where its answer was lost: what may be, and nothing else."""

from __future__ import annotations

import asyncio
import pathlib
import tempfile
from collections.abc import Callable, Sequence
from typing import Any

import grpc
import numpy as np
import pytest
from google.rpc.status_pb2 import Status
from stand_in import LOST, StandIn, refusal, standing_in

import zeroth
from zeroth import Client, RetryPolicy, ZerothError, wire

NOWHERE = pathlib.Path(tempfile.gettempdir()) / "a-study-that-does-not-come"
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


# Under a name of the caller's.
NAMED: dict[str, Call] = {
    "RunService/CreateRun": lambda client: client.runs.create("models/any", run_id="mine"),
    "RunService/ForkRun": lambda client: run(client).fork(run_id="mine"),
    "TrainingService/StartTraining": lambda client: run(client).train(PLAN, "datasets/any", batch_size=1, steps=1, training_id="mine"),
    "StudyService/CreateStudy": lambda client: client.studies.create([0.0], study_id="mine"),
    "StudyService/ImportStudy": lambda client: client.studies.import_from(b"any", study_id="mine"),
}

DELETIONS: dict[str, Call] = {
    "ModelService/UnloadModel": lambda client: client.models.unload("models/any"),
    "DatasetService/DeleteDataset": lambda client: client.datasets.delete("datasets/any"),
    "RunService/DeleteRun": lambda client: run(client).delete(),
    "RunService/DeleteSnapshot": lambda client: run(client).delete_snapshot("any"),
    "TrainingService/DeleteTraining": lambda client: training(client).delete(),
    "StudyService/DeleteStudy": lambda client: study(client).delete(),
}

# Pure, or known by a name, an id or a digest when it comes a second time.
REPEATED: dict[str, Call] = {
    **NAMED,
    **DELETIONS,
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
    "StudyService/ExportStudy": lambda client: study(client).export(NOWHERE),
    "StudyService/ListTrials": lambda client: list(study(client).trials()),
    "StudyService/Ask": lambda client: study(client).ask("me"),
    "StudyService/Tell": lambda client: study(client).tell({1: 0.5}),
}

# A second one would do something else, or fail: nobody but the caller knows what to make of that.
SENT_ONCE: dict[str, Call] = {
    "RunService/CreateRun": lambda client: client.runs.create("models/any"),
    "RunService/ForkRun": lambda client: run(client).fork(),
    "RunService/CreateSnapshot": lambda client: run(client).snapshot("any"),
    "OracleService/EvaluateOutputs": lambda client: list(run(client).outputs([[]], BATCH)),
    "TrainingService/StartTraining": lambda client: run(client).train(PLAN, "datasets/any", batch_size=1, steps=1),
    "StudyService/CreateStudy": lambda client: client.studies.create([0.0]),
    "StudyService/ImportStudy": lambda client: client.studies.import_from(b"any"),
}

ELSEWHERE = {
    # Behind GetRun, which the stand-in does not answer: test_client.py.
    "RunService/ReadWeights",
    # In both directions: test_aio.py and test_judge.py.
    "OracleService/Drive",
    "ObjectiveService/ServeObjective",
    # Behind the answer to an Ask.
    "StudyService/ListUpdates",
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


def ending(call: Call, faults: Sequence[Status], answers: dict[str, Any] | None = None) -> tuple[ZerothError | None, object, list[str]]:
    """What a call comes to where so many are lost or refused before one is answered: an error or an answer, and the calls that it took."""
    stand_in = StandIn(faults=faults, answers=answers)
    error, answer = None, None
    with standing_in(stand_in) as address, zeroth.connect(address, retry=RetryPolicy(delay=0.001, delay_max=0.001)) as client:
        try:
            answer = call(client)
        except ZerothError as raised:
            error = raised
    return error, answer, [path.removeprefix("/zeroth.v1.") for path in stand_in.order]


NOT_FOUND = refusal(grpc.StatusCode.NOT_FOUND, "NOT_FOUND")
TAKEN = refusal(grpc.StatusCode.ALREADY_EXISTS, "ALREADY_EXISTS", "models/any")


@pytest.mark.parametrize("path", ["DatasetService/CreateDataset", *NAMED, *DELETIONS])
def test_what_is_made_or_deleted_by_its_name_is_so_though_answers_were_lost(path: str) -> None:
    error, _, calls = ending(REPEATED[path], [LOST, LOST])
    assert (error, calls) == (None, [path] * 3)


@pytest.mark.parametrize("path", DELETIONS)
def test_gone_after_a_lost_answer_is_deleted(path: str) -> None:
    error, _, calls = ending(DELETIONS[path], [LOST, NOT_FOUND])
    assert (error, calls) == (None, [path] * 2)


@pytest.mark.parametrize("path", DELETIONS)
def test_what_was_never_there_is_not_deleted(path: str) -> None:
    for before in ([], [refusal(grpc.StatusCode.UNAVAILABLE, "LOADING")]):
        error, _, calls = ending(DELETIONS[path], [*before, NOT_FOUND])
        assert error is not None and (error.code, len(calls)) == ("NOT_FOUND", 1 + len(before))


def test_another_error_after_a_lost_answer_is_itself() -> None:
    in_use = refusal(grpc.StatusCode.FAILED_PRECONDITION, "MODEL_IN_USE")
    for call in (DELETIONS["ModelService/UnloadModel"], NAMED["RunService/CreateRun"]):
        error, _, calls = ending(call, [LOST, in_use])
        assert error is not None and (error.reason, len(calls)) == ("MODEL_IN_USE", 2)


@pytest.mark.parametrize("path", NAMED)
def test_of_a_name_that_is_taken_after_a_lost_answer_nobody_knows_whose_it_is(path: str) -> None:
    reason = "RUN_IN_TRAINING" if path == "TrainingService/StartTraining" else "ALREADY_EXISTS"
    error, _, calls = ending(NAMED[path], [LOST, refusal(grpc.StatusCode.ALREADY_EXISTS, reason)])
    assert str(error) == f"UNAVAILABLE: the answer was lost; tried again: because of {reason}"
    assert calls == [path] * 2


@pytest.mark.parametrize("path", NAMED)
def test_a_name_that_was_taken_before_is_an_error_of_its_own(path: str) -> None:
    for before in ([], [refusal(grpc.StatusCode.UNAVAILABLE, "LOADING")]):
        error, _, calls = ending(NAMED[path], [*before, TAKEN])
        assert error is not None and (error.code, len(calls)) == ("ALREADY_EXISTS", 1 + len(before))


LOAD, GET = "ModelService/LoadModel", "ModelService/GetModel"


@pytest.mark.parametrize(
    ("faults", "expected"),
    [
        ([LOST, TAKEN], [LOAD, LOAD, GET]),
        # Somebody's, before this was asked for.
        ([TAKEN], [LOAD, GET]),
        # The answer about it is lost as well: what the name stands for is asked for anew.
        ([TAKEN, LOST, TAKEN], [LOAD, GET, LOAD, GET]),
        # It is being loaded still; and once more, and that fails, so that the name is free.
        ([LOST, TAKEN, NOT_FOUND, TAKEN, NOT_FOUND], [LOAD, LOAD, GET, LOAD, GET, LOAD]),
    ],
)
def test_a_model_of_this_path_is_the_one_that_was_asked_for(faults: Sequence[Status], expected: list[str]) -> None:
    model = wire.Model(name="models/any", path="any.onnx")
    answers = {"GetModel": wire.GetModelResponse(model=model), "LoadModel": wire.LoadModelResponse(model=model)}
    error, answer, calls = ending(REPEATED[LOAD], faults, answers)
    assert (error, answer, calls) == (None, model, expected)


def test_a_model_of_another_path_is_another() -> None:
    other = wire.GetModelResponse(model=wire.Model(name="models/any", path="elsewhere/any.onnx"))
    error, _, calls = ending(REPEATED[LOAD], [LOST, TAKEN], {"GetModel": other})
    assert error is not None and (error.code, error.resource, calls) == ("ALREADY_EXISTS", "models/any", [LOAD, LOAD, GET])


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
            with pytest.raises(ZerothError, match="UNAVAILABLE: the answer was lost"):
                await client.datasets.create(BATCH)

    stand_in = StandIn()
    with standing_in(stand_in) as address:
        asyncio.run(both(address))
    assert stand_in.calls == {
        "/zeroth.v1.OracleService/Evaluate": 2,
        "/zeroth.v1.RunService/CreateRun": 1,
        "/zeroth.v1.DatasetService/CreateDataset": 2,
    }


def test_the_asynchronous_client_knows_what_became_of_a_name() -> None:
    async def named(address: str) -> None:
        async with zeroth.aio.connect(address, retry=TWICE) as client:
            await client.datasets.delete("datasets/any")
            with pytest.raises(ZerothError, match="UNAVAILABLE: the answer was lost; tried again: because of ALREADY_EXISTS"):
                await client.studies.import_from(b"any", study_id="mine")

    with standing_in(StandIn(faults=[LOST, NOT_FOUND, LOST, TAKEN])) as address:
        asyncio.run(named(address))
