"""A small HTTP server for the log's files and the witness: bounded, silent, loopback by default.

Requests are read whole within limits of size, time and number; what is asked for is neither logged
nor repeated. TLS handshakes run in the connection's own thread, so that a slow client stops nobody.
"""

import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from workbench.errors import LogError

LOOPBACK: Final = "127.0.0.1"
TEXT_TYPE: Final = "text/plain; charset=utf-8"
_PATIENCE_SECONDS: Final = 10.0
_MOST_CONNECTIONS: Final = 64


@dataclass(frozen=True)
class Request:
    """Method, path without its query, and body."""

    method: str
    path: str
    body: bytes


@dataclass(frozen=True)
class Reply:
    """Status, body and headers beside Content-Length."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


Handle = Callable[[Request], Reply]


@dataclass(frozen=True)
class Binding:
    """Where a server listens; with a certificate it speaks TLS."""

    host: str = LOOPBACK
    port: int = 0
    certificate: Path | None = None
    certificate_key: Path | None = None


def text_reply(status: int, sentence: str, **headers: str) -> Reply:
    """A sentence for people; nothing of it is to be cached."""
    fields = {"Content-Type": TEXT_TYPE, "Cache-Control": "no-store", **headers}
    return Reply(status, f"{sentence}\n".encode(), fields)


class _Handler(BaseHTTPRequestHandler):
    """Reads a request within limits and writes the reply."""

    protocol_version = "HTTP/1.1"
    timeout = _PATIENCE_SECONDS
    error_content_type = TEXT_TYPE
    error_message_format = "%(code)d\n"
    server: "LogServer"

    def answer(self) -> None:
        refusal, length = self._length()
        if refusal is not None:
            self.close_connection = True  # the body was not read
            self._send(refusal)
            return
        body = self.rfile.read(length)
        if len(body) < length:
            self.close_connection = True
            return
        path = self.path.partition("?")[0]
        try:
            reply = self.server.handle_request_of(Request(self.command, path, body))
        except LogError:  # its sentence names places of this machine
            reply = text_reply(500, "The server cannot read or write its files.")
        self._send(reply)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = answer  # noqa: N815

    def _length(self) -> tuple[Reply | None, int]:
        if self.headers.get("Transfer-Encoding") is not None:
            return text_reply(411, "Send the body with its Content-Length."), 0
        lengths = self.headers.get_all("Content-Length", [])
        if not lengths:
            missing = text_reply(411, "Content-Length is missing.")
            return missing if self.command == "POST" else None, 0
        if len(lengths) > 1 or not (lengths[0].isascii() and lengths[0].isdigit()):
            return text_reply(400, "Content-Length is malformed."), 0
        if len(lengths[0]) > 9 or int(lengths[0]) > self.server.most_bytes:
            return text_reply(413, f"At most {self.server.most_bytes} bytes are read."), 0
        return None, int(lengths[0])

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.send_header("X-Content-Type-Options", "nosniff")
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body)

    def version_string(self) -> str:
        return "workbench"

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Without the message, which repeats what was sent."""
        super().send_error(code)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing of a request is kept."""


class LogServer(ThreadingHTTPServer):
    """Serves until `shutdown`; a thread per connection, no more than a limit of them.

    Args:
        handle: Answers one request; called from many threads.
        binding: Where to listen.
        most_bytes: Largest body of a request.

    Raises:
        LogError: The address or the certificate cannot be used.
    """

    request_queue_size = 128  # connections that wait to be accepted

    def __init__(self, handle: Handle, binding: Binding, *, most_bytes: int = 0) -> None:
        self.handle_request_of = handle
        self.most_bytes = most_bytes
        self._tls = _tls(binding)
        self._slots = threading.BoundedSemaphore(_MOST_CONNECTIONS)
        self.address_family = socket.AF_INET6 if ":" in binding.host else socket.AF_INET
        try:
            super().__init__((binding.host, binding.port), _Handler)
        except (OSError, OverflowError) as error:
            raise LogError(
                f"{binding.host} port {binding.port}: cannot be listened on ({error}); give another"
                " --port or --host."
            ) from error

    @property
    def url(self) -> str:
        """Of the server's root, without a slash at its end."""
        host, port = str(self.server_address[0]), self.server_address[1]
        scheme = "http" if self._tls is None else "https"
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._slots.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._slots.release()

    def finish_request(self, request: Any, client_address: Any) -> None:
        if self._tls is None:
            super().finish_request(request, client_address)
            return
        request.settimeout(_PATIENCE_SECONDS)
        with self._tls.wrap_socket(request, server_side=True) as secured:
            super().finish_request(secured, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that breaks off is no event; threads end by themselves."""


def serve(server: LogServer) -> None:
    """Serve until interrupted, then close."""
    with server, suppress(KeyboardInterrupt):
        server.serve_forever()


def _tls(binding: Binding) -> ssl.SSLContext | None:
    if binding.certificate is None and binding.certificate_key is None:
        return None
    if binding.certificate is None or binding.certificate_key is None:
        raise LogError("TLS: give both --certificate and --certificate-key.")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(binding.certificate, binding.certificate_key, password="")
    except (OSError, ssl.SSLError) as error:
        raise LogError(
            f"{binding.certificate}, {binding.certificate_key}: not a certificate and its key"
            f" without a passphrase, in PEM ({error.strerror or error}); give such a pair."
        ) from error
    return context
