"""A herdsite as a stranger sees it: an address to connect to."""

import http.client
import socket
from dataclasses import dataclass

PATIENCE_S = 20.0  # for an answer that has to come; far beyond what a page takes


@dataclass(frozen=True)
class Site:
    host: str
    port: int

    def connect(self) -> socket.socket:
        return socket.create_connection((self.host, self.port), timeout=PATIENCE_S)

    def send(self, data: bytes) -> bytes:
        """Returns the answer to some bytes, until its header or the connection ends; the connection is
        closed afterwards."""
        with self.connect() as sock:
            sock.sendall(data)
            return read_head(sock)

    def get(self, path: str, headers: dict[str, str] | None = None) -> http.client.HTTPResponse:
        """The answer to a GET, with its body read (`answer.body`)."""
        line = http.client.HTTPConnection(self.host, self.port, timeout=PATIENCE_S)
        line.request("GET", path, headers=headers or {})
        answer = line.getresponse()
        answer.body = answer.read()  # type: ignore[attr-defined]
        line.close()
        return answer

    def serves(self) -> bool:
        """Whether pages come as ever: one that asks the database, and one that is drawn."""
        return self.get("/healthz").status == 200 and self.get("/admin/login/").status == 200


def read_head(sock: socket.socket) -> bytes:
    taken = b""
    try:
        while b"\r\n\r\n" not in taken and (part := sock.recv(65536)):
            taken += part
    except (TimeoutError, ConnectionError):
        pass
    return taken


def status(answer: bytes) -> int:
    """The status of an answer; 0 where none came."""
    words = answer.split(b" ", 2)
    return int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
