"""Over TLS or not, as whom, and how patiently."""

from __future__ import annotations

import asyncio
import pathlib
import socket
import subprocess
from collections.abc import Iterator
from typing import Any

import grpc
import numpy as np
import pytest
from conftest import ServerProcess
from stand_in import StandIn, standing_in

import zeroth
from zeroth import RetryPolicy, ZerothError
from zeroth.connection import Connection

ONCE = RetryPolicy(attempts_max=1)


class Authority:
    """A root that vouches for whom it likes; openssl as in docs/security.md."""

    def __init__(self, folder: pathlib.Path, name: str) -> None:
        self._folder, self._name = folder, name
        self.root = folder / f"{name}.pem"
        new = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}"]
        self._openssl(*new, "-keyout", f"{name}.key", "-out", f"{name}.pem")

    def issue(self, subject: str) -> tuple[pathlib.Path, pathlib.Path]:
        """A certificate for 127.0.0.1, and its key."""
        new = ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={subject}"]
        self._openssl(*new, "-keyout", f"{subject}.key", "-out", f"{subject}.csr")
        (self._folder / "names").write_text("subjectAltName=IP:127.0.0.1")
        signed = ["x509", "-req", "-in", f"{subject}.csr", "-CA", f"{self._name}.pem", "-CAkey", f"{self._name}.key", "-CAcreateserial"]
        self._openssl(*signed, "-extfile", "names", "-out", f"{subject}.pem")
        return self._folder / f"{subject}.pem", self._folder / f"{subject}.key"

    def _openssl(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=self._folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"), "root")


@pytest.fixture(scope="module", params=[False, True], ids=["to anybody", "to known clients"])
def encrypted(request: pytest.FixtureRequest, authority: Authority) -> Iterator[tuple[str, dict[str, Any]]]:
    """An address, and the options that a client needs there."""
    certificate, key = authority.issue("server")
    pair = (key.read_bytes(), certificate.read_bytes())
    credentials = grpc.ssl_server_credentials([pair], authority.root.read_bytes() if request.param else None, request.param)
    options: dict[str, Any] = {"tls_ca": authority.root}
    if request.param:
        options["tls_cert"], options["tls_key"] = authority.issue("client")
    with standing_in(StandIn(), credentials) as address:
        yield address, options


def refusal(address: str, **options: Any) -> str:
    with zeroth.connect(address, retry=ONCE, **options) as client, pytest.raises(ZerothError) as raised:
        client.info()
    return raised.value.message


def test_over_tls_calls_arrive(encrypted: tuple[str, dict[str, Any]]) -> None:
    address, options = encrypted
    assert refusal(address, **options) == "the answer was lost"
    as_bytes = {name: path.read_bytes() for name, path in options.items()}
    assert refusal(address, **as_bytes) == "the answer was lost"

    async def asynchronously() -> None:
        async with zeroth.aio.connect(address, retry=ONCE, **options) as client:
            with pytest.raises(ZerothError, match="the answer was lost"):
                await client.info()

    asyncio.run(asynchronously())


def test_nobody_is_talked_to_whom_the_roots_do_not_vouch_for(encrypted: tuple[str, dict[str, Any]], tmp_path: pathlib.Path) -> None:
    address, options = encrypted
    other = Authority(tmp_path, "other")
    for wrong in ({**options, "tls_ca": other.root}, {"tls": True}):
        assert refusal(address, **wrong).startswith("the server's certificate: expected one that tls_ca vouches for")
    assert refusal(address) != "the answer was lost"


CERTIFICATES = {
    "of an authority that is not trusted": "the server's certificate: expected one that tls_ca vouches for, or without it the authorities that grpcio",
    "for another name": "the server's certificate: expected one for the name in the address, got one for others",
    "that are none": "tls_ca, tls_cert, tls_key: expected certificates and a key as PEM, got something else",
    "of a server that has none": "tls: expected a server with a certificate, got one that talks in plain text",
}


@pytest.mark.parametrize("wrong", CERTIFICATES)
def test_certificates_that_do_not_fit_are_named_at_once(authority: Authority, tmp_path: pathlib.Path, wrong: str) -> None:
    certificate, key = authority.issue("server")
    credentials = grpc.ssl_server_credentials([(key.read_bytes(), certificate.read_bytes())])
    roots = {"of an authority that is not trusted": Authority(tmp_path, "other").root, "that are none": b"no certificate"}
    # Asked for before each attempt, of which the policy would have thirty.
    attempts: list[str] = []

    def token() -> str:
        attempts.append("any")
        return "any"

    async def serving(options: dict[str, Any]) -> None:
        async with zeroth.aio.connect(**options) as client:
            await client.judge("remote/any", lambda outputs, tensors: 0.0).serve()

    with standing_in(StandIn(), None if wrong == "of a server that has none" else credentials) as address:
        name = address.replace("127.0.0.1", "localhost") if wrong == "for another name" else address
        options: dict[str, Any] = {"address": name, "tls_ca": roots.get(wrong, authority.root), "token": token}
        with zeroth.connect(**options) as client, pytest.raises(ZerothError) as calling:
            client.info()
        with pytest.raises(ZerothError) as judging:
            asyncio.run(serving(options))
    for raised in (calling, judging):
        assert (raised.value.code, raised.value.reason) == ("UNAVAILABLE", "TLS_FAILED")
        assert raised.value.message.startswith(CERTIFICATES[wrong])
        # What gRPC has found comes along.
        assert "; failed to connect to all addresses; last error: " in raised.value.message
    assert len(attempts) == 2


OF_CLIENT = "tls_cert, tls_key: expected a certificate that the server asks for and trusts, got none or another; failed to connect"
CLOSED = "the server closed the connection before it said anything: it may want a client's certificate (tls_cert, tls_key) and have got none, or"


def test_a_client_whose_certificate_is_missing_or_not_trusted_is_told(authority: Authority, tmp_path: pathlib.Path) -> None:
    certificate, key = authority.issue("picky")
    mine, my_key = Authority(tmp_path, "other").issue("me")
    server = ServerProcess("--tls-cert", str(certificate), "--tls-key", str(key), "--tls-client-ca", str(authority.root))
    # The server's alert is an error at once, whatever the policy: without a limit it would be tried again for ever.
    patient = RetryPolicy(attempts_max=2**30, total_max=float("inf"))
    with zeroth.connect(server.address, tls_ca=authority.root, retry=patient) as client, pytest.raises(ZerothError) as raised:
        client.info()
    assert raised.value.reason == "TLS_FAILED" and raised.value.message.startswith(OF_CLIENT)
    # Without an alert nobody knows: it is tried again, and the last error says what is likely.
    twice = RetryPolicy(attempts_max=2, delay=0.01)
    ways: list[dict[str, Any]] = [{"tls_ca": authority.root, "tls_cert": mine, "tls_key": my_key}, {}]
    for options in ways:
        with zeroth.connect(server.address, retry=twice, **options) as client, pytest.raises(ZerothError) as raised:
            client.info()
        assert (raised.value.code, raised.value.reason) == ("UNAVAILABLE", "")
        assert raised.value.message.startswith(CLOSED)
    assert server.stop() == 0


@pytest.mark.parametrize("flags", [["-tls1_2"], ["-tls1_3"]])
def test_an_alert_of_another_server_is_known_too(authority: Authority, tmp_path: pathlib.Path, flags: list[str]) -> None:
    certificate, key = authority.issue("openssl")
    mine, my_key = Authority(tmp_path, "other").issue("me")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    asks = ["-Verify", "1", "-verify_return_error", "-CAfile", str(authority.root), "-alpn", "h2", *flags]
    command = ["openssl", "s_server", "-accept", str(port), "-cert", str(certificate), "-key", str(key), *asks]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        # It is tried again until it listens.
        ways: list[dict[str, Any]] = [{}, {"tls_cert": mine, "tls_key": my_key}]
        for options in ways:
            with zeroth.connect(f"127.0.0.1:{port}", tls_ca=authority.root, **options) as client, pytest.raises(ZerothError) as raised:
                client.info()
            assert raised.value.reason == "TLS_FAILED" and raised.value.message.startswith(OF_CLIENT)
    finally:
        server.kill()
        server.wait()


def test_a_client_without_its_certificate_is_not_let_in(encrypted: tuple[str, dict[str, Any]]) -> None:
    address, options = encrypted
    alone = refusal(address, tls_ca=options["tls_ca"])
    assert (alone != "the answer was lost") == ("tls_cert" in options)


def test_a_server_with_certificates_and_tokens_lets_in_who_has_both(authority: Authority, tmp_path: pathlib.Path) -> None:
    certificate, key = authority.issue("zeroth")
    mine, my_key = authority.issue("me")
    token = tmp_path / "tokens"
    token.write_text("a-token-of-this-test\n")
    known = ["--tls-cert", str(certificate), "--tls-key", str(key), "--tls-client-ca", str(authority.root)]
    server = ServerProcess(*known, "--token-file", str(token))
    options: dict[str, Any] = {"tls_ca": authority.root, "tls_cert": mine, "tls_key": my_key, "retry": ONCE}

    async def driven(run: zeroth.Run, dataset: zeroth.Dataset) -> zeroth.Stepped:
        async with zeroth.aio.connect(server.address, token=lambda: token.read_text().strip(), **options) as client:
            async with client.run(run.name).drive() as drive:
                return await drive.step([(1, 1e-3)], [[]], dataset)

    with zeroth.connect(server.address, token="a-token-of-this-test", **options) as client:
        run = client.runs.create(client.models.load("torch-mlp.onnx"), objective="cross_entropy")
        dataset = client.datasets.create({"x": np.zeros((2, 4), np.float32), "labels": [0, 1]})
        stepped = asyncio.run(driven(run, dataset))
        assert stepped.evaluation is not None and stepped.evaluation.losses == run.evaluate([[]], dataset).losses
    for wrong in (None, "another-token-than-this"):
        with zeroth.connect(server.address, token=wrong, **options) as client, pytest.raises(ZerothError) as raised:
            client.info()
        assert (raised.value.code, raised.value.reason) == ("UNAUTHENTICATED", "UNAUTHENTICATED")
    assert server.stop() == 0


def test_a_token_goes_with_every_call_and_is_asked_for_before_each_attempt() -> None:
    tokens = iter(["first", "second", "third"])
    stand_in = StandIn()
    with standing_in(stand_in) as address:
        with zeroth.connect(address, retry=RetryPolicy(attempts_max=2, delay=0.001), token=lambda: next(tokens)) as client:
            with pytest.raises(ZerothError):
                client.info()
            with pytest.raises(ZerothError):
                list(client.run("runs/any").outputs([[]], "datasets/any"))
        with zeroth.connect(address, retry=ONCE, token="mine") as client, pytest.raises(ZerothError):
            client.datasets.create({"x": [1.0]})
        assert refusal(address) == "the answer was lost"
    assert stand_in.tokens == ["Bearer first", "Bearer second", "Bearer third", "Bearer mine", None]


@pytest.mark.parametrize("address", ["localhost:1", "127.0.0.1:1", "127.1.2.3:1", "[::1]:1", "unix:/run/zeroth", "dns:localhost:1", "ipv4:127.0.0.1:1"])
def test_a_token_goes_in_plain_text_to_this_machine(address: str) -> None:
    assert Connection(address, token="mine").metadata == (("authorization", "Bearer mine"),)


@pytest.mark.parametrize("address", ["zeroth.example.org:1", "10.0.0.7:1", "127.0.0.1.example.org:1", "localhost.example.org:1", "dns:example.org:1"])
def test_a_token_goes_nowhere_else_in_plain_text(address: str) -> None:
    with pytest.raises(ValueError, match=r"token: expected tls=True beside it, or an address on this machine, got plain text to "):
        zeroth.connect(address, token="mine")
    assert Connection(address, token="mine", tls=True).metadata


@pytest.mark.parametrize("address", ["http://127.0.0.1:1", "grpc://host:1", "", "127.0.0.1", "host:", "host:http", "host:0", "host:65536", "::1:1", "a b:1", "dns:host", "h:1/x"])
def test_an_address_without_a_host_or_a_port_is_refused_before_anything_is_sent(address: str) -> None:
    for connect in (zeroth.connect, zeroth.aio.connect):
        with pytest.raises(ValueError) as raised:
            connect(address)
        assert str(raised.value) == f'address: expected "host:port", got "{address}"'
    with pytest.raises(TypeError, match='address: expected "host:port", got 50051'):
        zeroth.connect(50051)  # type: ignore[arg-type]


@pytest.mark.parametrize("address", ["host:1", "zeroth.example.org:443", "[::1]:1", "dns:///host:1", "dns://[::1]:53/host:1", "ipv4:10.0.0.7:1,10.0.0.8:1", "unix:/run/zeroth"])
def test_what_gRPC_resolves_is_an_address(address: str) -> None:
    assert Connection(address).address == address


def test_options_that_make_no_sense_are_refused_and_tokens_not_shown() -> None:
    for options, message in (
        ({"token": "a b"}, "token: expected letters, digits and - . _ ~ [+] /, got another text"),
        ({"tls_key": b""}, "tls_cert: expected one with tls_key, got a key alone"),
        ({"tls_cert": b""}, "tls_cert: expected one with tls_key, got a certificate alone"),
        ({"timeout": 0}, "timeout: expected more than 0 seconds, got 0"),
        ({"keepalive": 0.5}, "keepalive: expected at least 1 second, got 0.5"),
        ({"receive_bytes_max": 0}, "receive_bytes_max: expected at least 1, got 0"),
        ({"tls_ca": "-----BEGIN CERTIFICATE-----"}, "tls_ca: expected the path of a PEM file or its bytes, got what is in one as a text"),
    ):
        with pytest.raises(ValueError, match=message):
            zeroth.connect(**options)
    with pytest.raises(OSError, match="no-such-file"):
        zeroth.connect(tls_ca="no-such-file")
    assert "secret" not in repr(Connection("localhost:1", token="secret"))


def test_a_silent_connection_is_checked_as_often_as_was_asked() -> None:
    options = dict(Connection("localhost:1", keepalive=5).options)
    assert (options["grpc.keepalive_time_ms"], options["grpc.http2.max_pings_without_data"]) == (5000, 0)
