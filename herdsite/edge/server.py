"""The web server: waitress, with deadlines for those who keep it waiting.

One thread reads requests and writes answers for all connections; the threads that run pages see a request only when
the whole of it has come, and leave the answer to the first one. So whoever sends slowly, or takes slowly, holds a
connection and no thread. Here is what ends such connections.
"""

import socket
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.server import MultiSocketServer, TcpWSGIServer
from waitress.utilities import Error

from herdsite.edge import limits

IDLE, HEAD, BODY = "idle", "head", "body"  # what a connection that is not being served waits for


class Refused(Error):
    """waitress's shape of an answer that no page gives."""

    def __init__(self, refusal: limits.Refusal) -> None:
        super().__init__(refusal.detail)
        self.code, self.reason = int(refusal.status), refusal.status.phrase

    def to_response(self, ident: str | None = None) -> tuple[str, list[tuple[str, str]], bytes]:
        del ident  # what serves here is nobody's business
        headers = [("Content-Type", "text/plain; charset=utf-8"), ("Cache-Control", "no-store")]
        return f"{self.code} {self.reason}", headers, f"{self.body}\n".encode()


class Request(HTTPRequestParser):
    """A request whose body is judged by its header: what is refused is answered before the body is read."""

    channel: "Channel"
    content_length: int

    def parse_header(self, header_plus: bytes) -> None:
        super().parse_header(header_plus)
        receiving = self.channel.server.receiving()
        refusal = limits.judge(self.path, self.headers, self.content_length, self.chunked, receiving)
        if refusal:
            # waitress answers, and closes the connection.
            self.error = Refused(refusal)
            self.body_rcv, self.content_length, self.expect_continue = None, 0, False


class Channel(HTTPChannel):
    """A connection, which knows since when it waits, and for what. Times are monotonic seconds."""

    server: "Server"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.since = self.moved = time.monotonic()
        self.awaits, self.served, self.taken = HEAD, 0, 0
        super().__init__(*args, **kwargs)

    def parser_class(self, adj: Adjustments) -> Request:
        request = Request(adj)
        request.channel = self
        return request

    def received(self, data: bytes) -> bool:
        before = self.request
        taken = super().received(data)
        request = self.request
        awaits = IDLE if request is None else BODY if request.headers_finished else HEAD
        # The first header has its time from the first moment, so that silence is no way to get more.
        if (request is not before or awaits != self.awaits) and (self.served or awaits == BODY):
            self.since = time.monotonic()
        self.awaits = awaits
        return taken

    def service(self) -> None:
        super().service()
        self.served += 1
        if self.request is None:
            self.since, self.awaits = time.monotonic(), IDLE

    def _flush_some(self, do_close: bool = True) -> bool:
        before = self.total_outbufs_len
        sent = super()._flush_some(do_close=do_close)
        self.taken += before - self.total_outbufs_len
        if self.taken >= limits.STALL_BYTES or not self.total_outbufs_len:
            self.moved, self.taken = time.monotonic(), 0
        return sent

    def write_soon(self, data: Any) -> int:
        if not self.total_outbufs_len:
            self.moved, self.taken = time.monotonic(), 0
        return super().write_soon(data)

    @property
    def receiving(self) -> int:
        """Bytes of the body that this connection is sending, as announced, where that is no small one."""
        length = self.request.content_length if self.request is not None else 0
        return length if length > limits.SMALL_BYTES else 0

    @property
    def waits(self) -> bool:
        """Whether it keeps us waiting: no page is at work for it."""
        return not self.requests

    def is_late(self, now: float) -> bool:
        if self.total_outbufs_len and (self.waits or self.total_outbufs_len >= self.adj.send_bytes):
            # Also while a page is at work: its thread may wait for this client to take what there is.
            return now - self.moved > limits.STALL_S
        patience = {HEAD: limits.HEAD_S, BODY: limits.BODY_S}.get(self.awaits, limits.IDLE_S)
        return self.waits and now - self.since > patience


class Server(TcpWSGIServer):
    """Listens at one address, and ends the connections that are late, or too many."""

    channel_class = Channel
    active_channels: dict[int, Channel]

    def receiving(self) -> int:
        return sum(channel.receiving for channel in self.active_channels.values())

    def maintenance(self, now: float) -> None:
        del now  # of a clock that may be set
        for channel in list(self.active_channels.values()):
            if channel.is_late(time.monotonic()):
                channel.will_close = True

    def handle_accept(self) -> None:
        super().handle_accept()
        if len(self.active_channels) > limits.CONNECTIONS and (victim := self.most_patient()):
            victim.handle_close()

    def most_patient(self) -> Channel | None:
        """The connection that makes room for another: of the address that keeps most of them waiting, the one that
        waits longest; one that is taking its answer only if there is no other. None if a page is at work for each."""
        waiting = [channel for channel in self.active_channels.values() if channel.waits]
        held = Counter(channel.addr[0] for channel in waiting)
        return max(
            waiting,
            key=lambda channel: (not channel.total_outbufs_len, held[channel.addr[0]], -channel.since),
            default=None,
        )


class Threads:
    """Those that run pages, where waitress looks for them: begun when all others are busy, and no sooner, since each
    holds a connection to our database."""

    def __init__(self, most: int) -> None:
        self.pool = ThreadPoolExecutor(most, "page")

    def add_task(self, channel: Channel) -> None:
        self.pool.submit(channel.service)

    def shutdown(self) -> None:
        self.pool.shutdown(wait=False, cancel_futures=True)


def serve(application: Any, host: str, port: int, threads: int) -> None:
    """Serve until SystemExit or KeyboardInterrupt."""
    run(application, host, port, threads).run()


def run(application: Any, host: str, port: int, threads: int) -> MultiSocketServer:
    """A server that listens already, at every address of `host`; its `run` serves."""
    adj = Adjustments(
        host=host,
        port=port,
        threads=threads,
        ident=None,
        # Who speaks for others is for the settings and for the pages to know.
        clear_untrusted_proxy_headers=False,
        max_request_header_size=limits.HEAD_BYTES,
        max_request_body_size=max(row.most for row in limits.BODIES) + 1,
        inbuf_overflow=2 * max(row.most for row in limits.BODIES),
        outbuf_high_watermark=limits.ANSWER_BYTES,
        outbuf_overflow=2 * limits.ANSWER_BYTES,
        connection_limit=2 * limits.CONNECTIONS,
        backlog=socket.SOMAXCONN,
        cleanup_interval=limits.LOOK_S,
        asyncore_loop_timeout=limits.LOOK_S,
        asyncore_use_poll=True,
    )
    dispatcher = Threads(threads)
    channels: dict[int, Any] = {}
    listening = [
        Server(application, channels, dispatcher=dispatcher, adj=adj, sockinfo=sockinfo) for sockinfo in adj.listen
    ]
    heard = [(one.effective_host, one.effective_port) for one in listening]
    return MultiSocketServer(channels, adj, heard, dispatcher, listening[0].log_info)
