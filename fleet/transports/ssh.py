"""Shell over SSH, by paramiko: one pinned, authenticated connection a host, shared by a worker process's threads.

paramiko waits without an end in several places, and a frozen host still accepts TCP. So connections are made step by
step against a deadline, and each command has a guard that pulls its connection away a moment after its own. Where the
trouble is ours (an unreadable key, too much output), the error is a plain TransportError: it says nothing of the host.
"""

import logging
import os
import select
import shlex
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from pathlib import Path

import paramiko
import structlog

from fleet.transports import logins
from fleet.transports.base import Host, Refused, Result, TransportError, Unreachable, masked
from fleet.transports.deadlines import late, left, since
from fleet.transports.pinning import judge, place

log = structlog.get_logger("shell")

# What paramiko logs as an error, with a traceback, is a host that went away: we raise that, and log it once.
logging.getLogger("paramiko").setLevel(logging.CRITICAL)

LOST = (paramiko.SSHException, EOFError, OSError)  # how paramiko says that a connection broke, or a wait ended
SESSIONS = 5  # commands at once on one connection; OpenSSH allows ten, and still counts those that have just ended
OUTPUT_LIMIT = 4 << 20  # bytes, both outputs together
WINDOW = 12 * OUTPUT_LIMIT
CHUNK = 32 << 10
TICK = 0.02  # seconds between two looks whether the host takes more stdin: paramiko has no event for that
TURNED_AWAY, PAUSE = 3, 0.1  # tries to get in where sshd hangs up at once, and seconds between them
GRACE = 0.2  # seconds past its deadline in which a command may end without pulling the connection from the others
IDLE = 60.0  # seconds between two wakings of paramiko's reader, which would be a tenth for each connection

# When the host closes a channel, paramiko agrees at once, from its reader's thread, and what another thread is just
# sending on that channel comes too late: OpenSSH and asyncssh then end the whole connection. So nothing is sent late:
# a command ends only after all its stdin has arrived, or has none to wait for; and of WINDOW so little is ever used
# that paramiko has no reason to tell the host that there is room again.
WITH_STDIN = "{}; code=$?; cat >/dev/null; exit $code"
WITHOUT = "exec {} </dev/null"


class TurnedAway(Unreachable):
    """The host took the connection and closed it before it said who it is."""


class Unsent(Exception):
    """The connection was dead, or full, before the command was sent."""


class Connection:
    """One authenticated connection, on which several commands may run at once.

    One that is full, broke, or did not answer in time is given up: it gets no new commands and ends with its last.
    `opened` is whether the host has allowed a session on it, or may just be doing so for another thread.
    """

    def __init__(self, host: Host, transport: paramiko.Transport):
        self.host, self.transport = host, transport
        self._lock = threading.Lock()
        self._users = 0
        self._given_up = False
        self._opened = False

    @property
    def opened(self) -> bool:
        return self._opened or self._users > 1

    @property
    def alive(self) -> bool:
        return self.transport.is_active() and not self._given_up

    def enter(self) -> bool:
        """Count one command more; False when it has to go elsewhere."""
        with self._lock:
            self._given_up |= self._users >= SESSIONS
            self._users += not self._given_up
            return not self._given_up

    def leave(self) -> None:
        with self._lock:
            self._users -= 1
            over = self._given_up and not self._users
        if over:
            self.close()

    @contextmanager
    def session(self, deadline: float) -> Iterator[paramiko.Channel]:
        """A channel for one command, closed in the end. Raises Unsent, TimeoutError, or what else is in LOST."""
        guard = threading.Timer(left(deadline) + GRACE, self.close)
        guard.daemon = True
        guard.start()
        try:
            channel = self._open(deadline)
            try:
                yield channel
            finally:
                channel.close()
        except (Unsent, *LOST):
            self._given_up = True
            raise
        finally:
            guard.cancel()

    def _open(self, deadline: float) -> paramiko.Channel:
        try:
            channel = self.transport.open_session(WINDOW, timeout=left(deadline))
        except LOST as error:
            raise TimeoutError if late(deadline) else Unsent(reason(error)) from error
        self._opened = True
        return channel

    def answers(self, timeout: float) -> bool:
        """Whether the host still talks to us."""
        try:
            self.transport.open_session(timeout=timeout).close()
        except paramiko.ChannelException:
            # No for an answer is an answer: a host may allow one session at a time.
            return True
        except LOST:
            return False
        return True

    def close(self) -> None:
        hang_up(self.transport)


class Connections:
    """The connections of one worker process, one for each host, user and key. A forked child begins with none."""

    def __init__(self, connect_timeout: float = 3.0):
        self.connect_timeout = connect_timeout
        self._begin()
        os.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[tuple[Host, str], Future[Connection]] = {}

    def get(self, host: Host, key_path: Path | str, timeout: float | None = None) -> tuple[Connection, bool]:
        """A connection to the host, and whether it was open before. Threads that ask at once share one attempt.

        Takes at most `connect_timeout` seconds, or `timeout` if that is less. Raises Unreachable, Refused, or
        TransportError for our own key.
        """
        key = host, str(key_path)
        with self._lock:
            future = self._open.get(key)
            kept = future is not None and not spent(future)
            if future is None or not kept:
                self._open = {other: each for other, each in self._open.items() if not spent(each)}
                future = self._open[key] = Future()
        if not kept:
            try:
                limit = self.connect_timeout if timeout is None else min(timeout, self.connect_timeout)
                future.set_result(connect(host, key_path, limit))
            except BaseException as error:
                with self._lock:
                    self._open.pop(key, None)
                future.set_exception(error)
        return future.result(), kept

    def close(self) -> None:
        with self._lock:
            futures = [future for future in self._open.values() if future.done()]
            self._open = {}
        for future in futures:
            future.result().close()


class SshShell:
    """Commands on one host, over the connections of this process."""

    def __init__(self, host: Host, key_path: Path | str, pool: Connections):
        self.host, self.key_path, self.pool = host, key_path, pool

    def run(
        self, argv: Sequence[str], stdin: bytes = b"", timeout: float = 10.0, secrets: Sequence[str] = ()
    ) -> Result:
        """As the port says; a connection that has to be made first takes at most as long again, and no longer than
        the pool's `connect_timeout`.

        A command that a signal ended has a code other than 0. `secrets` are masked in both outputs too. Raises
        TransportError for more than OUTPUT_LIMIT bytes of output, ValueError for an argument that no command line can
        carry.
        """
        command = shlex.join(argv)
        if "\0" in command:
            raise ValueError("an argument can't carry a NUL byte")
        shown = masked(shlex.join(masked(word, secrets) for word in argv), secrets)
        begun = time.monotonic()
        try:
            code, *outputs = self._run(command, stdin, timeout)
        except TransportError as error:
            log.debug("command", host=self.host.name, command=shown, error=str(error), ms=since(begun))
            raise
        log.debug("command", host=self.host.name, command=shown, code=code, ms=since(begun))
        out, err = (masked(data.decode(errors="replace"), secrets) for data in outputs)
        return Result(code, out, err, time.monotonic() - begun)

    def _run(self, command: str, stdin: bytes, timeout: float) -> tuple[int, bytes, bytes]:
        until = time.monotonic() + timeout
        with self._explained(timeout):
            while True:
                connection, kept = self.pool.get(self.host, self.key_path, timeout)
                if not connection.enter():
                    continue
                try:
                    return converse(connection, command, stdin, time.monotonic() + timeout)
                except Unsent:
                    # Another thread may have taken the only session that the host allows on a new connection.
                    if (not kept and not connection.opened) or late(until):
                        raise
                finally:
                    connection.leave()

    def log_in(self, timeout: float = 4.0) -> None:
        """As the port says. Half of the time is for getting in."""
        with self._explained(timeout):
            connection = connect(self.host, self.key_path, min(timeout / 2, self.pool.connect_timeout))
            try:
                converse(connection, WITHOUT.format("true"), b"", time.monotonic() + timeout / 2)
            finally:
                connection.close()

    @contextmanager
    def _explained(self, timeout: float) -> Iterator[None]:
        """What went wrong on a connection, as the port says it."""
        where = place(self.host)
        try:
            yield
        except Unsent as error:
            if isinstance(error.__cause__, paramiko.ChannelException):
                raise Refused(f"{where}: the server opens no session: {error}", "session") from None
            raise Unreachable(f"{where}: {error}; the command was not sent") from None
        except TimeoutError as error:
            text = str(error) or f"no result within {timeout:g} s"
            raise Unreachable(f"{where}: {text}; the command may run or have run") from None
        except LOST as error:
            raise Unreachable(f"{where}: {reason(error)}; the command may or may not have run") from None


def converse(connection: Connection, command: str, stdin: bytes, deadline: float) -> tuple[int, bytes, bytes]:
    """Run the command, feed it, and gather both outputs as they come, so that neither can block the other."""
    out, err, fed = bytearray(), bytearray(), 0
    with connection.session(deadline) as channel:
        channel.exec_command(logins.handed_over((WITH_STDIN if stdin else WITHOUT).format(command)))
        arrival = select.poll()
        arrival.register(channel.fileno(), select.POLLIN)
        while True:
            over = channel.eof_received or channel.closed
            while fed < len(stdin) and channel.send_ready():
                fed += channel.send(stdin[fed : fed + CHUNK])
                if fed == len(stdin):
                    channel.shutdown_write()
            # A command that never stops must not keep us here: what is too much ends below.
            while channel.recv_ready() and len(out) <= OUTPUT_LIMIT:
                out += channel.recv(CHUNK)
            while channel.recv_stderr_ready() and len(err) <= OUTPUT_LIMIT:
                err += channel.recv_stderr(CHUNK)
            if len(out) + len(err) > OUTPUT_LIMIT:
                raise TransportError(f"{place(connection.host)}: more than {OUTPUT_LIMIT >> 20} MiB of output")
            if over and channel.exit_status_ready():
                break
            if channel.recv_ready():
                continue  # it came while the other output was emptied, which may have put the signal out
            if late(deadline):
                ended = (
                    "the command ended, but a process that it left holds its output open"
                    if channel.exit_status_ready()
                    else ""
                )
                raise TimeoutError(ended)
            pause = TICK if fed < len(stdin) else left(deadline)
            channel.status_event.wait(pause) if over else arrival.poll(pause * 1000)
        # Without an exit status a signal ended the command, or the connection broke just now.
        if channel.exit_status < 0 and not connection.answers(left(deadline)):
            raise EOFError
        return channel.exit_status, *logins.ours(connection.host, bytes(out), bytes(err))


def connect(host: Host, key_path: Path | str, timeout: float) -> Connection:
    """A new connection, once the host has shown the pinned key and has let us in. sshd turns some away at random while
    many are on their way in (MaxStartups): whoever is gets another two tries."""
    deadline = time.monotonic() + timeout
    key = private_key(key_path)
    for tries in range(TURNED_AWAY):
        try:
            transport = handshake(host, deadline)
            break
        except TurnedAway:
            if tries + 1 == TURNED_AWAY or left(deadline) < 2 * PAUSE:
                raise
            time.sleep(PAUSE)
    try:
        judge(host, public(transport.get_remote_server_key()))
        log_in(transport, host, key, deadline)
    except BaseException:
        hang_up(transport)
        raise
    return Connection(host, transport)


def scan(address: str, port: int, timeout: float = 3.0) -> str:
    """The host key ("type base64") shown at this address, for somebody to compare and pin. Raises Unreachable."""
    transport = handshake(Host(address, address, port), time.monotonic() + timeout)
    shown = public(transport.get_remote_server_key())
    hang_up(transport)
    return shown


def handshake(host: Host, deadline: float) -> paramiko.Transport:
    """An encrypted connection to somebody: whose key it is has still to be judged."""
    try:
        sock = socket.create_connection((host.address, host.port), left(deadline))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    except OSError as error:
        raise Unreachable(f"{place(host)}: {reason(error)}") from None
    transport = paramiko.Transport(sock)
    sock.settimeout(IDLE)
    transport.banner_timeout = transport.handshake_timeout = left(deadline)
    # The pinned key's type comes first: the host shows that one if it still has it, and another only if it has not.
    kind = host.host_key.partition(" ")[0]
    wanted = ("rsa-sha2-512", "rsa-sha2-256") if kind == "ssh-rsa" else (kind,)
    options = transport.get_security_options()
    options.key_types = sorted(options.key_types, key=lambda name: name not in wanted)
    done = threading.Event()
    transport.start_client(event=done)
    if done.wait(left(deadline)) and transport.is_active():
        return transport
    why = transport.get_exception()
    hang_up(transport)
    if isinstance(why, paramiko.ssh_exception.IncompatiblePeer):
        raise Refused(f"{place(host)}: {reason(why)}", "protocol")
    if not transport.remote_version and not late(deadline):
        raise TurnedAway(
            f"{place(host)}: the connection was closed before the SSH greeting: too many logins at once "
            "(MaxStartups in sshd_config), or a firewall in between"
        )
    raise Unreachable(f"{place(host)}: {reason(why)}")


def log_in(transport: paramiko.Transport, host: Host, key: paramiko.PKey, deadline: float) -> None:
    done = threading.Event()
    try:
        transport.auth_publickey(host.user, key, done)
    except LOST as error:
        raise Unreachable(f"{place(host)}: {reason(error)}") from None
    answered = done.wait(left(deadline))
    if transport.is_authenticated():
        return
    if not answered or not transport.is_active():
        raise Unreachable(f"{place(host)}: {reason(transport.get_exception())}")
    raise Refused(
        f"{place(host)}: {host.user} refuses herdsite's key {key.fingerprint}; add its public half to that "
        "user's authorized_keys.",
        "auth",
    )


def private_key(path: Path | str) -> paramiko.PKey:
    try:
        return paramiko.PKey.from_path(path)
    except Exception as error:  # what can be wrong with a key file has no common base class
        raise TransportError(f"herdsite's SSH key {path} can't be read ({type(error).__name__})") from None


def hang_up(transport: paramiko.Transport) -> None:
    """End a connection at once. The shutdown wakes whoever reads or writes it, which closing alone would not."""
    with suppress(OSError):
        transport.sock.shutdown(socket.SHUT_RDWR)
    transport.join(1.0)
    transport.close()


def spent(future: Future[Connection]) -> bool:
    return future.done() and not future.result().alive


def public(key: paramiko.PKey) -> str:
    return f"{key.get_name()} {key.get_base64()}"


def reason(error: Exception | None) -> str:
    if error is None or isinstance(error, TimeoutError):
        return "no answer in time"
    return str(error) or "the connection broke"
