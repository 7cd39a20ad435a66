"""The asynchronous client: every service of zeroth.v1 behind one connection."""

from __future__ import annotations

from .. import wire
from ..checks import shown
from ..connection import Connection, Pem, Token
from ..method import Method, Request, Response
from ..retry import RetryPolicy
from .channel import Channel
from .datasets import Datasets
from .judge import Judge, Score
from .models import Models
from .run import Run
from .runs import Runs
from .studies import Studies
from .study import Study
from .training import Training
from .trainings import Trainings


class Client:
    """What a server has: `models`, `datasets`, `runs`, `trainings`, `studies`. Every call may raise a ZerothError."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self.models = Models(channel)
        self.datasets = Datasets(channel)
        self.runs = Runs(channel)
        self.trainings = Trainings(channel)
        self.studies = Studies(channel)

    def run(self, name: str) -> Run:
        """The run of this name, without asking the server whether there is one: `client.run("runs/first")`."""
        return Run(self._channel, name)

    def training(self, name: str) -> Training:
        """As `run`: "runs/*/trainings/*"."""
        return Training(self._channel, name)

    def study(self, name: str) -> Study:
        """As `run`: "studies/*"."""
        return Study(self._channel, name)

    async def info(self) -> wire.GetServerInfoResponse:
        """What the server is and can do: version, strategies with their options, objectives, limits by name."""
        return await self._channel.call(wire.ServerService.GetServerInfo, wire.GetServerInfoRequest(), repeatable=True)

    async def reload_objectives(self) -> list[wire.CustomObjectiveInfo]:
        """Reads the operator's folder of objectives again; of a file that is no objective `error` says why."""
        request = wire.ReloadObjectivesRequest()
        answer = await self._channel.call(wire.ServerService.ReloadObjectives, request, repeatable=True)
        return list(answer.custom_objectives)

    def judge(self, name: str, score: Score, *, outputs: tuple[str, ...] = ("",), tensors: tuple[str, ...] = ()) -> Judge:
        """An objective that this process computes (docs/remote-objectives.md): `await client.judge("remote/cost", score).serve()`.

        Args:
            name: "remote/" and lower-case letters, digits and hyphens.
            score: takes the outputs and the tensors of some rows, dicts of arrays with a row each, and gives one loss for each row, or one
                number for all of them. What it raises is the error of the evaluation that asked.
            outputs: of the model; "" is the one that the objective names, or the model's only one.
            tensors: of the batch that come along, such as "labels".
        """
        return Judge(self._channel, name, score, outputs=outputs, tensors=tensors)

    async def call(self, method: Method[Request, Response], request: Request, *, repeatable: bool = False) -> Response:
        """Any call of the contract by its message: `await client.call(wire.RunService.GetRun, wire.GetRunRequest(name="runs/first"))`.

        Args:
            repeatable: whether a second try does no harm, where the answer to the first was lost.
        """
        if not isinstance(method, Method):
            raise TypeError(f"method: expected one of a service, zeroth.wire.RunService.GetRun, got {shown(method)}")
        if not isinstance(request, method.request):
            raise TypeError(f"request: expected a zeroth.wire.{method.request.__name__}, got {shown(request)}")
        return await self._channel.call(method, request, repeatable=repeatable)

    def within(self, seconds: float | None) -> Client:
        """The same client on the same connection; each try of a call ends after so many seconds with DEADLINE_EXCEEDED."""
        return Client(self._channel.within(seconds))

    async def close(self) -> None:
        await self._channel.close()

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def connect(
    address: str = "127.0.0.1:50051",
    *,
    tls: bool = False,
    tls_ca: Pem | None = None,
    tls_cert: Pem | None = None,
    tls_key: Pem | None = None,
    token: Token | None = None,
    timeout: float | None = None,
    keepalive: float = 30.0,
    retry: RetryPolicy | None = None,
    receive_bytes_max: int = 64 * 2**20,
) -> Client:
    """A client of the server at "host:port". Nothing is sent before the first call.

    Args:
        address: or another that gRPC resolves: "dns:host:port", "unix:/path".
        tls: whether the connection is encrypted; plain text is for a server on the same machine.
        tls_ca: roots to trust instead of those that grpcio comes with, for a certificate of one's own: a PEM file's path or its bytes.
            Means `tls`, as the next two do.
        tls_cert, tls_key: the client's own certificate and its key, for servers that ask for one (`--tls-client-ca`).
        token: goes with every call as "authorization: Bearer ...". A function is asked before every attempt, as the file of a token
            that is exchanged from time to time has to be. In plain text to this machine only.
        timeout: seconds that each try of a call may take, then it is DEADLINE_EXCEEDED; None means as long as it takes. Streams that
            watch, drive or judge have no limit.
        keepalive: seconds after which a silent connection is checked; 10 seconds without an answer end it.
        retry: how often calls are tried again that may be; the default outlives a restart of the server.
        receive_bytes_max: of one message.

    Raises:
        ValueError, TypeError: naming the option, what was expected and what came.
        OSError: where a certificate's file cannot be read.
    """
    connection = Connection(
        address=address,
        tls=tls,
        tls_ca=tls_ca,
        tls_cert=tls_cert,
        tls_key=tls_key,
        token=token,
        timeout=timeout,
        keepalive=keepalive,
        retry=RetryPolicy() if retry is None else retry,
        receive_bytes_max=receive_bytes_max,
    )
    return Client(Channel(connection))
