"""Publishing the log's files: only what the format knows, with the headers it asks for."""

import contextlib
import http.client
import os
import socket
import ssl
import time

import pytest
from cryptography.hazmat.primitives import serialization

from workbench.decision_log.publish import log_server
from workbench.decision_log.serving import Binding
from workbench.errors import LogError

IMMUTABLE = "public, max-age=31536000, immutable"


@pytest.fixture
def folder(logs, tmp_path):
    """A log of 300 entries that grew in two steps, with other files in it."""
    log = logs.open_folder(tmp_path)
    log.append(logs.records(0, 290))
    log.append(logs.records(290, 300))
    root = tmp_path / "log"
    (root / ".journal").write_bytes(b"not yet")
    (root / "notes.txt").write_text("mine")
    (root / "tile" / "0" / ".001.new").write_bytes(b"half")
    (tmp_path / "secret").write_text("secret")
    return root


@pytest.fixture
def port(folder, serving):
    return int(serving(log_server(folder, Binding())).rpartition(":")[2])


def ask(port, path, method="GET", body=None, headers=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request(method, path, body, headers or {})
    response = connection.getresponse()
    data = response.read()
    connection.close()
    return response.status, dict(response.getheaders()), data


def raw(port, data):
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        answer = b""
        while chunk := client.recv(65_536):
            answer += chunk
    return answer


def test_the_checkpoint_is_text_that_is_not_cached(folder, port):
    status, headers, data = ask(port, "/checkpoint")
    assert (status, data) == (200, (folder / "checkpoint").read_bytes())
    assert headers["Content-Type"] == "text/plain; charset=utf-8"
    assert headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize(
    "path",
    [
        "tile/0/000", "tile/entries/000", "tile/0/001.p/44", "tile/entries/001.p/44",
        "tile/0/001.p/34", "tile/1/000.p/1",
    ],
)  # fmt: skip
def test_tiles_are_bytes_that_never_change(folder, port, path):
    status, headers, data = ask(port, f"/{path}")
    assert (status, data) == (200, (folder / path).read_bytes())
    assert headers["Content-Type"] == "application/octet-stream"
    assert headers["Cache-Control"] == IMMUTABLE


def test_head_has_the_headers_alone(folder, port):
    status, headers, data = ask(port, "/tile/0/000", "HEAD")
    assert (status, headers["Content-Length"], data) == (200, "8192", b"")


FOREIGN = [
    "/", "/.journal", "/.lock", "/notes.txt", "/tile/0/.001.new", "/tile", "/tile/0", "/tile/0/",
    "/tile/0/002", "/tile/0/000/", "/tile//0/000", "/checkpoint/", "/Checkpoint",
    "/tile/00/000", "/tile/0/0", "/tile/0/x000/000", "/tile/0/000.p/256", "/tile/0/000.p/0",
    "/tile/0/000.p/01", "/tile/64/000", "/tile/entries/001.p/45", "/tile/data/000", "checkpoint",
    "/../secret", "/tile/../../secret", "/tile/0/../../../secret", "/%2e%2e/secret",
    "/tile/0/%30%30%30", "/..%2fsecret", "/tile/0/000%00", "/./checkpoint", "/\\..\\secret",
]  # fmt: skip


def test_nothing_else_is_found(port):
    for path in FOREIGN:
        request = f"GET {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n"
        answer = raw(port, request.encode())
        assert answer.startswith(b"HTTP/1.1 404 "), path
        assert answer.endswith(b"\r\n\r\nNot found.\n"), path


def test_what_was_sent_is_not_repeated(port):
    answer = raw(port, "GET /tile/٠/marker HTTP/1.1\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"marker" not in answer


@pytest.mark.parametrize("place", ["tile/0/002", "tile/entries", "tile"])
def test_symbolic_links_are_not_followed(folder, port, tmp_path, place):
    outside = tmp_path / "outside"
    for path in ("tile/0/002", "tile/entries/002", "002"):
        (outside / path).parent.mkdir(parents=True, exist_ok=True)
        (outside / path).write_text("secret")
    target = folder / place
    if target.exists():
        target.rename(tmp_path / "away")
    target.symlink_to(outside / ("002" if place == "tile/0/002" else place))
    for path in ("/tile/0/002", "/tile/entries/002"):
        status, _, data = ask(port, path)
        assert (status, b"secret" in data) == (404, False)


def test_what_is_no_regular_file_is_not_found(folder, port):
    (folder / "tile/0/003").mkdir()
    os.mkfifo(folder / "tile/0/004")
    assert [ask(port, f"/tile/0/{name}")[0] for name in ("003", "004")] == [404, 404]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_other_methods_are_refused(folder, port, method):
    before = (folder / "checkpoint").read_bytes()
    status, headers, _ = ask(port, "/checkpoint", method, headers={"Content-Length": "0"})
    assert (status, headers["Allow"]) == (405, "GET, HEAD")
    assert (folder / "checkpoint").read_bytes() == before


def test_a_body_is_refused(port):
    assert ask(port, "/checkpoint", "GET", b"x")[0] == 413


def test_a_query_is_left_aside(port):
    assert ask(port, "/checkpoint?x=1")[0] == 200


def test_a_connection_is_kept(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    for _ in range(3):
        connection.request("GET", "/checkpoint")
        assert connection.getresponse().read()
        first = connection.sock
    assert first is connection.sock is not None
    connection.close()


def test_silent_connections_beyond_the_limit_are_closed_and_later_ones_answered(port):
    held = [socket.create_connection(("127.0.0.1", port), timeout=5) for _ in range(80)]
    with pytest.raises(ConnectionError):
        ask(port, "/checkpoint")
    for connection in held:
        connection.close()
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        with contextlib.suppress(ConnectionError):
            assert ask(port, "/checkpoint")[0] == 200
            return
        time.sleep(0.05)
    pytest.fail("no slot was given back")


@pytest.mark.parametrize(
    "data", [b"", b"GET\r\n\r\n", b"\x16\x03\x01\x00\xff\r\n\r\n", b"A" * 70_000]
)
def test_what_is_no_request_stops_nothing(port, data):
    assert b"200" not in raw(port, data)[:15]
    assert ask(port, "/checkpoint")[0] == 200


def test_a_growing_log_is_served_as_it_grows(logs, folder, port):
    (folder / ".journal").unlink()
    logs.open_folder(folder.parent).append(logs.records(300, 310))
    assert ask(port, "/checkpoint")[2].split(b"\n")[1] == b"310"
    assert ask(port, "/tile/0/001.p/54")[0] == 200


def test_with_a_certificate_tls_is_spoken(folder, serving, certificate):
    pem, key = certificate
    url = serving(log_server(folder, Binding(certificate=pem, certificate_key=key)))
    assert url.startswith("https://127.0.0.1:")
    port = int(url.rpartition(":")[2])
    context = ssl.create_default_context(cafile=pem)
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=5, context=context)
    connection.request("GET", "/tile/0/000")
    assert connection.getresponse().read() == (folder / "tile/0/000").read_bytes()
    connection.close()
    stranger = ssl.create_default_context()
    with (
        socket.create_connection(("127.0.0.1", port), timeout=5) as plain,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        stranger.wrap_socket(plain, server_hostname="127.0.0.1")


def test_a_silent_client_does_not_hold_up_tls(folder, serving, certificate):
    pem, key = certificate
    url = serving(log_server(folder, Binding(certificate=pem, certificate_key=key)))
    port = int(url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=5):
        context = ssl.create_default_context(cafile=pem)
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=5, context=context)
        connection.request("GET", "/checkpoint")
        assert connection.getresponse().status == 200
        connection.close()


def test_an_unusable_certificate_is_named(folder, tmp_path, certificate):
    pem, key = certificate
    with pytest.raises(LogError, match="give both --certificate and --certificate-key"):
        log_server(folder, Binding(certificate=pem))
    with pytest.raises(LogError, match=r"server\.key, .*not a certificate and its key"):
        log_server(folder, Binding(certificate=key, certificate_key=pem))
    encrypted = tmp_path / "encrypted.key"
    loaded = serialization.load_pem_private_key(key.read_bytes(), None)
    locked = serialization.BestAvailableEncryption(b"x")
    form = serialization.PrivateFormat.PKCS8
    encrypted.write_bytes(loaded.private_bytes(serialization.Encoding.PEM, form, locked))
    with pytest.raises(LogError, match="without a passphrase"):
        log_server(folder, Binding(certificate=pem, certificate_key=encrypted))


def test_a_taken_port_is_named(folder, port):
    with pytest.raises(LogError, match=r"port \d+: cannot be listened on .*--port"):
        log_server(folder, Binding(port=port))


def test_without_a_log_there_is_nothing_to_serve(tmp_path):
    with pytest.raises(LogError, match="checkpoint: not found"):
        log_server(tmp_path, Binding())
