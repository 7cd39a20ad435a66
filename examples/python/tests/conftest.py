"""A real server for the tests: at ZEROTH_ADDRESS where that is set, or started from this repository."""

from __future__ import annotations

import atexit
import json
import os
import pathlib
import subprocess
import threading
from collections.abc import Iterator
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import pytest

import zeroth

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
FIXTURES = REPOSITORY / "test" / "fixtures"


class ServerProcess:
    """`node server/main.ts` on a free port, with what it keeps in memory or in a folder."""

    def __init__(self, *flags: str, data: str = ":memory:", models: str = "models") -> None:
        node = REPOSITORY / "node_modules" / ".bin" / "node"
        command = [os.environ.get("ZEROTH_NODE", str(node)), "server/main.ts", "--threads", "1", "--log-format", "json"]
        folders = ["--model-dir", str(FIXTURES / models), "--data-dir", data]
        self._process = subprocess.Popen([*command, *folders, "--port", "0", *flags], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
        # A test that fails does not come to stop it.
        atexit.register(self._process.kill)
        self.address = self._listening()
        # A log that nobody reads would fill its pipe, and the server wait for ever.
        threading.Thread(target=self._log().read, daemon=True).start()

    def _log(self) -> IO[str]:
        assert self._process.stdout is not None
        return self._process.stdout

    def _listening(self) -> str:
        for line in iter(self._log().readline, ""):
            entry = json.loads(line)
            if entry.get("msg") == "listening":
                return str(entry["address"])
        raise RuntimeError(f"the server ended with code {self._process.wait()}")

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        self._process.terminate()
        return self._process.wait()


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    given = os.environ.get("ZEROTH_ADDRESS")
    if given is not None:
        yield given
        return
    server = ServerProcess()
    yield server.address
    assert server.stop() == 0


@pytest.fixture
def client(address: str) -> Iterator[zeroth.Client]:
    with zeroth.connect(address) as opened:
        yield opened


@pytest.fixture(scope="session")
def tiny() -> dict[str, npt.NDArray[Any]]:
    """Rows for torch-mlp.onnx: 24 of 4 features, 3 classes."""
    random = np.random.default_rng(3)
    x = random.normal(size=(24, 4)).astype(np.float32)
    return {"x": x, "labels": x[:, :3].argmax(axis=1)}


@pytest.fixture
def dataset(client: zeroth.Client, tiny: dict[str, npt.NDArray[Any]]) -> zeroth.Dataset:
    return client.datasets.create(tiny)


@pytest.fixture
def run(client: zeroth.Client) -> zeroth.Run:
    return client.runs.create(client.models.load("torch-mlp.onnx"), objective="cross_entropy")
