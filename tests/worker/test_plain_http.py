"""Plain HTTP to a server: to this machine, to a private network, through other people's."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from threading import Thread

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ourvidz_worker.plain_http import Reach, plain_port_problem, reach_of
from tests.worker.protocol_server import TOKEN, ProtocolServer
from tests.worker.test_cli import command, environment, run


@pytest.mark.parametrize(
    "server", ["http://1.1.1.1", "http://[2606:4700::1111]", "http://studio.example:8000"]
)
@pytest.mark.parametrize("what", ["run", "check"])
def test_a_token_is_not_sent_in_the_clear_through_other_peoples_networks(what: str, server: str) -> None:
    result = run(what, "--server", server, OURVIDZ_WORKER_TOKEN="ovw_secret")
    assert result.returncode == (2 if what == "run" else 1)
    answer = result.stderr if what == "run" else result.stdout
    assert f"{server} would send the token, prompts and results unencrypted" in answer
    assert "use https://, or say --insecure" in answer
    assert "ovw_secret" not in answer


@pytest.mark.parametrize(
    ("server", "more"),
    [("http://192.0.2.1:1", {}), ("http://studio.example:1", {"OURVIDZ_WORKER_INSECURE": "1"})],
)
def test_a_private_network_and_a_wish_get_a_warning(server: str, more: dict[str, str]) -> None:
    worker = subprocess.Popen(
        command("run", "--server", server),
        env=environment(OURVIDZ_WORKER_TOKEN="ovw_secret", **more),
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert json.loads(worker.stderr.readline())["event"] == "server_unencrypted"
    finally:
        worker.kill()
        worker.communicate()


@pytest.mark.parametrize(
    ("url", "reach"),
    [
        ("https://studio.example", Reach.ENCRYPTED),
        ("http://localhost:8000", Reach.THIS_MACHINE),
        ("http://studio.localhost", Reach.THIS_MACHINE),
        ("http://127.8.0.1", Reach.THIS_MACHINE),
        ("http://[::1]", Reach.THIS_MACHINE),
        ("http://[::ffff:127.0.0.1]", Reach.THIS_MACHINE),
        ("http://10.1.2.3", Reach.PRIVATE),
        ("http://100.100.1.2", Reach.PRIVATE),
        ("http://[fd00::7]", Reach.PRIVATE),
        ("http://[fe80::7]", Reach.PRIVATE),
        ("http://[::ffff:1.1.1.1]", Reach.PUBLIC),
        ("http://no-such-container", Reach.PRIVATE),
        ("http://no-such-machine.lan", Reach.PRIVATE),
        ("http://no-such-machine.example.", Reach.PUBLIC),
    ],
)
def test_where_plain_http_goes(url: str, reach: Reach) -> None:
    assert reach_of(url) is reach


@pytest.mark.parametrize("what", ["run", "check", "bench"])
def test_https_to_a_port_of_plain_http_is_named_at_once(server: ProtocolServer, what: str) -> None:
    """It was ten silent seconds, and then the same again for ever."""
    began = time.monotonic()
    result = run(what, "--server", server.url.replace("http:", "https:"), OURVIDZ_WORKER_TOKEN=TOKEN)
    assert time.monotonic() - began < 8, "of which two are spent on starting Python"
    assert result.returncode != 0
    assert "answers plain HTTP: say http://" in result.stderr + result.stdout
    assert not any("authorization" in request.headers for request in server.requests)


@contextmanager
def listening(tls: ssl.SSLContext | None, to_plain: bytes) -> Iterator[str]:
    """The address of a port that answers a plain request with `to_plain`, and may speak TLS too."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection, suppress(OSError):
                        is_tls = connection.recv(1, socket.MSG_PEEK) == b"\x16"
                        if is_tls and tls:
                            tls.wrap_socket(connection, server_side=True).close()
                        elif not is_tls:
                            connection.recv(4096)
                            connection.sendall(to_plain)

        thread = Thread(target=serve, daemon=True)
        thread.start()
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """With a certificate that nobody knows."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    file = tmp_path_factory.mktemp("tls") / "key-and-certificate.pem"
    pem = serialization.Encoding.PEM
    file.write_bytes(key.private_bytes(pem, *plain) + certificate.public_bytes(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server."
MOVED = b"HTTP/1.1 301 Moved Permanently\r\nLocation: https://studio.example/\r\n\r\n"


@pytest.mark.parametrize("to_plain", [BAD_REQUEST, MOVED, b"\x15\x03\x01\x00\x02\x02\x46", b""])
def test_a_port_that_speaks_tls_is_not_taken_for_plain(tls: ssl.SSLContext, to_plain: bytes) -> None:
    """Many servers answer a plain request there in plain HTTP."""
    with listening(tls, to_plain) as address:
        assert plain_port_problem(address) == ""


@pytest.mark.parametrize("to_plain", [BAD_REQUEST, MOVED, b"HTTP/1.0 200 OK\r\n\r\n"])
def test_a_port_without_tls_is_named_whatever_it_answers(to_plain: bytes) -> None:
    with listening(None, to_plain) as address:
        assert "answers plain HTTP" in plain_port_problem(address)


def test_a_port_where_nobody_listens_is_not_judged() -> None:
    assert plain_port_problem("https://127.0.0.1:9") == ""
