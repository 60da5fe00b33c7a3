"""The Shell's contract. What a host can be made to say or do runs on the fake too; what is about the wire, on real
servers: asyncssh's, in a local host, and OpenSSH's."""

import hashlib
import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from threading import Thread

import paramiko
import pytest
from sshd import Sshd, make_key
from structlog.testing import capture_logs

from fleet.transports.base import CommandFailed, Refused, TransportError, Unreachable, checked
from fleet.transports.pinning import fingerprint
from fleet.transports.ssh import SESSIONS, Connections, SshShell, scan

OPENSSH = pytest.param("openssh", marks=pytest.mark.sshd)
MANY = 2_000_000


@pytest.fixture(params=["fake", "local", OPENSSH])
def any_rig(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(params=["local", OPENSSH])
def rig(request):
    return request.getfixturevalue(request.param)


def soon(call):
    """What the call raises. It has to end by itself long before this gives up, at half a minute."""
    raised = []

    def attempt():
        try:
            call()
        except TransportError as error:
            raised.append(error)

    thread = Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(30)
    assert not thread.is_alive(), "the deadline did not hold"
    return raised[0] if raised else None


class TestCommands:
    @pytest.mark.parametrize(
        "words",
        [
            ["two words", "", "a'b", 'a"b', "a`id`b", "$HOME", "$(id)", ";id", "a\\b", "*", "~", "!x", "-n", "%s"],
            ["line\nbreak", "tab\there", "grün 🐘", "&& id", "| id", "> file", "#", "a=b", "{a,b}"],
        ],
    )
    def test_arguments_arrive_as_they_are(self, any_rig, pool, words):
        result = any_rig.shell(pool).run(["printf", "%s|", *words])
        assert (result.code, result.out, result.err) == (0, "".join(f"{word}|" for word in words), "")

    @pytest.mark.parametrize("stdin", [b"", b"plain\n", bytes(range(256)), os.urandom(1 << 20)], ids=len)
    def test_stdin_arrives_to_the_byte(self, any_rig, pool, stdin):
        result = any_rig.shell(pool).run(["sha256sum"], stdin=stdin)
        assert result.out.split()[0] == hashlib.sha256(stdin).hexdigest()

    def test_a_code_other_than_0_is_a_result(self, any_rig, pool):
        argv = ["sh", "-c", "echo out; echo err >&2; exit 3"]
        result = any_rig.shell(pool).run(argv)
        assert (result.code, result.out, result.err, result.ok) == (3, "out\n", "err\n", False)
        assert result.seconds >= 0
        with pytest.raises(CommandFailed, match="sh ended with 3: err"):
            checked(argv, result)

    def test_big_outputs_on_both_sides_do_not_block(self, rig, pool):
        script = f"head -c {MANY} /dev/zero | tr '\\0' e >&2; head -c {MANY} /dev/zero | tr '\\0' o"
        result = rig.shell(pool).run(["sh", "-c", script], timeout=30)
        assert (result.code, result.out, result.err) == (0, "o" * MANY, "e" * MANY)

    def test_a_big_stdin_comes_back_while_it_goes(self, rig, pool):
        stdin = b"0123456789abcdef" * (3 << 16)
        assert rig.shell(pool).run(["cat"], stdin=stdin, timeout=30).out == stdin.decode()

    def test_a_command_may_ignore_its_stdin(self, rig, pool):
        result = rig.shell(pool).run(["sh", "-c", "exec <&-; echo done"], stdin=b"x" * (4 << 20), timeout=30)
        assert (result.code, result.out) == (0, "done\n")

    def test_more_output_than_we_keep_is_an_error_that_does_not_blame_the_host(self, rig, pool):
        shell = rig.shell(pool)
        error = soon(lambda: shell.run(["cat", "/dev/zero"], timeout=60))
        assert type(error) is TransportError
        assert "more than 4 MiB" in str(error)
        assert shell.run(["echo", "well"]).out == "well\n"

    @pytest.mark.parametrize("stdin", [b"", b"something"])
    def test_a_command_that_a_signal_ended_is_a_result(self, rig, pool, stdin):
        assert not rig.shell(pool).run(["sh", "-c", "kill -9 $$"], stdin=stdin).ok

    def test_a_command_without_stdin_finds_its_end(self, rig, pool):
        assert rig.shell(pool).run(["cat"]).out == ""

    def test_an_argument_with_a_nul_byte_is_refused_before_it_is_sent(self, rig, pool):
        with pytest.raises(ValueError, match="NUL"):
            rig.shell(pool).run(["printf", "a\0b"])


class TestDeadlines:
    def test_a_slow_command_is_unreachable_in_time(self, any_rig, pool):
        error = soon(lambda: any_rig.shell(pool).run(["sleep", "60"], timeout=0.3))
        assert type(error) is Unreachable

    def test_nobody_there(self, any_rig, pool):
        shell = any_rig.shell(pool)
        any_rig.stop()
        try:
            assert type(soon(lambda: shell.run(["printf", "%s|", "x"]))) is Unreachable
        finally:
            any_rig.start()
        assert shell.run(["printf", "%s|", "x"]).out == "x|"

    def test_a_frozen_host_that_we_come_to(self, any_rig):
        pool = Connections(connect_timeout=0.5)
        with any_rig.frozen():
            error = soon(lambda: any_rig.shell(pool).run(["printf", "%s|", "x"], timeout=0.5))
        assert type(error) is Unreachable
        pool.close()

    def test_a_frozen_host_that_we_know(self, any_rig):
        pool = Connections(connect_timeout=0.5)
        shell = any_rig.shell(pool)
        shell.run(["printf", "%s|", "x"])
        with any_rig.frozen():
            big = soon(lambda: shell.run(["sha256sum"], stdin=b"x" * (16 << 20), timeout=0.5))
            small = soon(lambda: shell.run(["printf", "%s|", "x"], timeout=0.5))
        assert (type(big), type(small)) == (Unreachable, Unreachable)
        assert any_rig.shell(pool).run(["printf", "%s|", "x"]).out == "x|"
        pool.close()

    def test_a_host_that_freezes_between_the_session_and_its_command(self, rig, pool, monkeypatch):
        send = paramiko.Channel.exec_command
        with ExitStack() as stack:

            def freeze_and_send(channel, line):
                stack.enter_context(rig.frozen())
                send(channel, line)

            monkeypatch.setattr(paramiko.Channel, "exec_command", freeze_and_send)
            error = soon(lambda: rig.shell(pool).run(["id"], timeout=0.5))
        assert type(error) is Unreachable

    def test_a_slow_command_does_not_take_the_others_down(self, rig, pool):
        shell = rig.shell(pool)
        with ThreadPoolExecutor(2) as threads:
            patient = threads.submit(shell.run, ["sh", "-c", "sleep 1; echo done"])
            assert type(soon(lambda: shell.run(["sleep", "60"], timeout=0.2))) is Unreachable
            assert patient.result(30).out == "done\n"


class TestKeys:
    def test_an_unknown_host_key_is_refused(self, rig, pool):
        with pytest.raises(Refused, match=r"h1 .* SHA256:.*pin it") as refused:
            rig.shell(pool, host_key="").run(["id"])
        assert refused.value.code == "host_key"
        assert fingerprint(rig.host.host_key) in str(refused.value)

    @pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
    def test_a_changed_host_key_is_refused(self, rig, pool, tmp_path, kind):
        pinned = make_key(tmp_path / "other", kind)
        with pytest.raises(Refused) as refused:
            rig.shell(pool, host_key=pinned).run(["id"])
        assert refused.value.code == "host_key"
        assert "h1" in str(refused.value)
        assert fingerprint(pinned) in str(refused.value)
        assert fingerprint(rig.host.host_key) in str(refused.value)

    def test_a_pin_that_is_no_key_is_refused(self, rig, pool):
        with pytest.raises(Refused, match="something that is no key"):
            rig.shell(pool, host_key="nonsense").run(["id"])

    def test_a_stranger_is_refused(self, rig, pool, tmp_path):
        make_key(tmp_path / "stranger")
        with pytest.raises(Refused, match="authorized_keys") as refused:
            SshShell(rig.host, tmp_path / "stranger", pool).run(["id"])
        assert refused.value.code == "auth"

    @pytest.mark.parametrize("content", [None, "no key at all"])
    def test_our_own_unreadable_key_says_nothing_about_the_host(self, rig, pool, tmp_path, content):
        if content:
            (tmp_path / "ours").write_text(content)
        with pytest.raises(TransportError, match="herdsite's SSH key") as error:
            SshShell(rig.host, tmp_path / "ours", pool).run(["id"])
        assert type(error.value) is TransportError

    def test_scan_tells_the_key_that_is_shown(self, rig):
        assert scan(rig.host.address, rig.host.port, 10) == " ".join(rig.host.host_key.split()[:2])

    def test_scan_of_nobody(self, rig):
        with pytest.raises(Unreachable):
            scan(rig.host.address, 1)

    @pytest.mark.sshd
    @pytest.mark.parametrize("kinds", [("rsa", "ed25519"), ("ecdsa", "ed25519")])
    def test_any_of_several_host_keys_can_be_pinned(self, openssh, pool, tmp_path, kinds):
        server = Sshd(tmp_path, *kinds)
        server.start()
        try:
            assert server.shell(pool).run(["echo", "in"]).out == "in\n"
        finally:
            server.stop()


class TestConnections:
    def test_two_commands_share_a_connection(self, rig, pool):
        shell = rig.shell(pool)
        assert shell.run(["echo", "1"]).ok
        first, _ = pool.get(rig.host, rig.key)
        assert shell.run(["echo", "2"]).ok
        assert pool.get(rig.host, rig.key) == (first, True)

    def test_a_connection_that_the_host_dropped_is_made_anew(self, rig, pool):
        shell = rig.shell(pool)
        assert shell.run(["echo", "1"]).ok
        rig.hang_up()
        assert shell.run(["echo", "2"]).out == "2\n"

    def test_a_command_whose_answer_is_lost_is_not_run_again(self, rig, pool, tmp_path):
        shell = rig.shell(pool)
        home = shell.run(["mktemp", "-d"]).out.strip()
        note = f"echo ran >>{home}/note; sleep 60"
        with ThreadPoolExecutor(1) as threads:
            answer = threads.submit(shell.run, ["sh", "-c", note], timeout=60)
            wait_for(lambda: rig.shell(pool).run(["cat", f"{home}/note"]).ok)
            rig.hang_up()
            with pytest.raises(Unreachable, match="may or may not have run"):
                answer.result(30)
        assert shell.run(["cat", f"{home}/note"]).out == "ran\n"
        shell.run(["rm", "-r", home])

    def test_many_threads_at_once(self, rig, pool):
        shell = rig.shell(pool)
        with ThreadPoolExecutor(3 * SESSIONS) as threads:
            answers = list(threads.map(lambda n: shell.run(["echo", str(n)], timeout=30).out, range(60)))
        assert answers == [f"{n}\n" for n in range(60)]

    def test_commands_that_end_early_do_not_break_the_connection(self, rig, pool):
        shell = rig.shell(pool)
        connection, _ = pool.get(rig.host, rig.key)
        with ThreadPoolExecutor(SESSIONS) as threads:
            codes = list(threads.map(lambda n: shell.run(["true"], stdin=b"x" * 100_000 * (n % 2)).code, range(40)))
        assert codes == [0] * 40
        assert pool.get(rig.host, rig.key) == (connection, True)

    def test_a_full_connection_is_given_up_and_ends_with_its_last_command(self, rig, pool):
        full, _ = pool.get(rig.host, rig.key)
        assert [full.enter() for _ in range(SESSIONS + 1)] == [True] * SESSIONS + [False]
        assert pool.get(rig.host, rig.key)[0] is not full
        for _ in range(SESSIONS):
            assert full.transport.is_alive()
            full.leave()
        assert not full.transport.is_alive()

    def test_threads_that_come_together_make_one_connection(self, rig, pool):
        with ThreadPoolExecutor(8) as threads:
            found = list(threads.map(lambda _: pool.get(rig.host, rig.key)[0], range(8)))
        assert len(set(found)) == 1

    def test_threads_that_come_together_to_nobody_fail_together(self, rig, pool):
        rig.stop()
        try:
            with ThreadPoolExecutor(8) as threads:
                errors = list(threads.map(lambda _: soon(lambda: rig.shell(pool).run(["id"])), range(8)))
        finally:
            rig.start()
        assert {type(error) for error in errors} == {Unreachable}

    def test_a_forked_child_makes_its_own(self, rig, pool):
        shell = rig.shell(pool)
        assert shell.run(["echo", "parent"]).ok
        kept = pool.get(rig.host, rig.key)[0]
        child = os.fork()
        if not child:
            try:
                fresh = not pool.get(rig.host, rig.key)[1]
                os._exit(0 if fresh and shell.run(["echo", "child"]).out == "child\n" else 1)
            finally:
                os._exit(2)
        assert os.waitpid(child, 0)[1] == 0
        assert shell.run(["echo", "parent"]).out == "parent\n"
        assert pool.get(rig.host, rig.key) == (kept, True)


class TestLog:
    def test_a_command_is_logged_with_its_secrets_masked(self, rig, pool):
        secrets = ["s3cret", "it's s3cret"]
        argv = ["sh", "-c", "echo $0 $1; echo $0 $1 >&2; exit 1", secrets[1], f"password={secrets[0]}"]
        with capture_logs() as lines:
            result = rig.shell(pool).run(argv, stdin=b"unlogged", secrets=secrets)
        (line,) = [line for line in lines if line.get("host") == "h1"]
        assert (line["log_level"], line["code"]) == ("debug", 1)
        assert line["ms"] >= 0
        assert line["command"] == "sh -c 'echo $0 $1; echo $0 $1 >&2; exit 1' '***' 'password=***'"
        assert result.out == result.err == "*** password=***\n"
        for text in (str(lines), str(result), str(CommandFailed(argv, result))):
            assert "s3cret" not in text
            assert "unlogged" not in text

    def test_a_command_without_an_answer_is_logged_too(self, rig, pool):
        with capture_logs() as lines, pytest.raises(Unreachable) as error:
            rig.shell(pool).run(["sleep", "61.5"], timeout=0.2, secrets=["61.5"])
        (line,) = [line for line in lines if line.get("host") == "h1"]
        assert line["command"] == "sleep '***'"
        assert line["error"] == str(error.value)
        assert "61.5" not in str(line)


def wait_for(condition):
    for _ in range(300):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it did not come to be")
