"""A server on loopback that answers as it is told: too busy, broken off, not at all, or as herdsite never would."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

HANG, HANG_UP, CUT_OFF = "hang", "hang up", "cut off"


@dataclass
class Answer:
    """One answer; `data` that is no bytes is sent as JSON. `how` is a way to break."""

    status: int = 200
    data: Any = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    how: str = ""


class Server(ThreadingHTTPServer):
    """Gives the answers in order, the last one for ever, and keeps what it was asked."""

    daemon_threads = True

    def __init__(self, answers: list[Answer]):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers, self.asked, self.over = answers, [], threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append((self.command, self.path, dict(self.headers)))
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        answers = self.server.answers
        answer = answers[min(len(self.server.asked), len(answers)) - 1]
        if answer.how == HANG:
            self.server.over.wait(30)
        if answer.how in (HANG, HANG_UP):
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        data = answer.data if isinstance(answer.data, bytes) else json.dumps(answer.data).encode()
        self.send_response(answer.status)
        for name, value in ({"Content-Type": "application/json"} | answer.headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data) + (50 if answer.how == CUT_OFF else 0)))
        self.end_headers()
        self.wfile.write(data)
        if answer.how == CUT_OFF:
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)

    do_POST = do_GET

    def log_message(self, *_args: Any) -> None:
        """Nowhere."""


@contextmanager
def serving(*answers: Answer, tls: Any = None) -> Iterator[Server]:
    server = Server(list(answers))
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.over.set()
        server.shutdown()
        server.server_close()
        thread.join()


def problem(status: int, detail: str, **headers: str) -> Answer:
    """An error as the API tells it."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    data = {"title": "No", "status": status, "detail": detail, "request_id": "r1"}
    return Answer(status, data, {"Content-Type": "application/problem+json"} | named)
