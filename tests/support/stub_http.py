"""A local HTTP server whose answers a test states, sound or broken, plain or by TLS."""

from __future__ import annotations

import json
import shutil
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple


class Request(NamedTuple):
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Reply(NamedTuple):
    """An answer; ``pace_s`` sends its body byte by byte with that pause, ``cut`` only so many bytes of it."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = MappingProxyType({})
    pace_s: float = 0.0
    cut: int | None = None
    raw: bytes | None = None


Answer = Reply | Callable[[Request], Reply]


def as_json(value: object, headers: Mapping[str, str] | None = None, **options: Any) -> Reply:
    return Reply(json.dumps(value).encode(), headers={"Content-Type": "application/json", **(headers or {})}, **options)


class Stub:
    """What the server was asked, and what it answers by path."""

    def __init__(self, address: tuple[str, int], scheme: str) -> None:
        self.url = f"{scheme}://{address[0]}:{address[1]}"
        self.answers: dict[str, Answer] = {}
        self.seen: list[Request] = []
        self.connections = 0

    def answer(self, request: Request) -> Reply:
        self.seen.append(request)
        found = self.answers.get(f"{request.method} {request.path}") or self.answers.get(request.path)
        if found is None:
            return Reply(b"not here", 404)
        return found(request) if callable(found) else found


@contextmanager
def serving(certificate: Path | None = None) -> Iterator[Stub]:
    """Serve on a free port of this machine until the end of the block.

    Args:
        certificate: file with key and certificate for TLS, or ``None``.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Head and body are two writes; without this the second waits 40 ms for the other side's acknowledgement.
        disable_nagle_algorithm = True

        def setup(self) -> None:
            super().setup()
            stub.connections += 1

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): text for name, text in self.headers.items()}
            self.reply(stub.answer(Request(self.command, self.path, headers, body)))

        do_GET = do_POST = do_DELETE = handle_any  # noqa: N815

        def reply(self, reply: Reply) -> None:
            with suppress(OSError):
                if reply.raw is not None:
                    self.wfile.write(reply.raw)
                    self.close_connection = True
                    return
                self.send_response(reply.status)
                for name, text in reply.headers.items():
                    self.send_header(name, text)
                self.send_header("Content-Length", str(len(reply.body)))
                self.end_headers()
                sent = reply.body if reply.cut is None else reply.body[: reply.cut]
                for byte in sent if reply.pace_s else ():
                    self.wfile.write(bytes([byte]))
                    self.wfile.flush()
                    time.sleep(reply.pace_s)
                if not reply.pace_s:
                    self.wfile.write(sent)
                self.close_connection = self.close_connection or reply.cut is not None

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            pass

    server = Server(("127.0.0.1", 0), Handler)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    stub = Stub(server.server_address[:2], "https" if certificate else "http")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield stub
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def self_signed(folder: Path) -> Path | None:
    """Return a file with a key and a certificate for 127.0.0.1, ``None`` where there is no ``openssl``."""
    if shutil.which("openssl") is None:
        return None
    key, certificate, both = folder / "key.pem", folder / "cert.pem", folder / "both.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    both.write_text(key.read_text() + certificate.read_text())
    return both
