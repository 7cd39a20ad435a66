"""A real server for the tests: at ZEROTH_ADDRESS where that is set, or started from this repository."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
from collections.abc import Iterator

import pytest

import zeroth

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
FIXTURES = REPOSITORY / "test" / "fixtures"


class ServerProcess:
    """`node server/main.ts` on a free port, with what it keeps in memory or in a folder."""

    def __init__(self, *flags: str, data: str = ":memory:") -> None:
        node = REPOSITORY / "node_modules" / ".bin" / "node"
        command = [os.environ.get("ZEROTH_NODE", str(node)), "server/main.ts", "--threads", "1", "--log-format", "json"]
        folders = ["--model-dir", str(FIXTURES / "models"), "--data-dir", data]
        self._process = subprocess.Popen([*command, *folders, "--port", "0", *flags], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
        self.address = self._listening()

    def _listening(self) -> str:
        assert self._process.stdout is not None
        for line in self._process.stdout:
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
