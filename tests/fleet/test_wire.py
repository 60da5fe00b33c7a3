"""The relay with real sockets: what passes, what a cut holds, how ends and resets travel."""

import asyncio
import hashlib
import json
import os
import socket
from contextlib import asynccontextmanager, suppress

import pytest

from fleet.providers.local.wire import End, Forward, Wire, reset_on_close

pytestmark = pytest.mark.enable_socket

OUTER, INNER, PEER = "127.1.7.1", "127.1.7.2", "127.1.7.3"
SOON = 10
SILENCE = 0.3  # a cut that leaks is seen within this; one that holds can't be hurried


async def echo(reader, writer):
    """Sends back what comes, and ends when the other side does."""
    with suppress(ConnectionError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def relayed(serve=echo):
    """A server on INNER and a Forward to it on OUTER: yields the forward and its port."""
    async with await asyncio.start_server(serve, INNER, 0) as server:
        port = server.sockets[0].getsockname()[1]
        forward = Forward((OUTER, port), (INNER, port))
        try:
            yield forward, port
        finally:
            forward.close()


async def connect(port):
    return await asyncio.wait_for(asyncio.open_connection(OUTER, port, local_addr=(PEER, 0)), SOON)


async def silent(reader):
    """Whether nothing at all comes."""
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(1), SILENCE)
    return True


def test_bytes_pass_both_ways_unchanged_and_the_end_passes_too():
    async def scene():
        sent = os.urandom(20 << 20)
        async with relayed() as (_, port):
            reader, writer = await connect(port)
            writer.write(sent)
            writer.write_eof()
            got = await asyncio.wait_for(reader.read(), SOON)
            writer.close()
        assert hashlib.sha256(got).digest() == hashlib.sha256(sent).digest()

    asyncio.run(scene())


def test_the_target_sees_the_peers_own_address():
    async def scene():
        async def tell(reader, writer):
            writer.write(writer.get_extra_info("peername")[0].encode())
            writer.close()

        async with relayed(tell) as (_, port):
            reader, _ = await connect(port)
            assert await asyncio.wait_for(reader.read(), SOON) == PEER.encode()

    asyncio.run(scene())


def test_a_server_that_speaks_first_is_heard():
    async def scene():
        async def greet(reader, writer):
            writer.write(b"hello")
            writer.close()

        async with relayed(greet) as (_, port):
            for _ in range(50):
                reader, writer = await connect(port)
                assert await asyncio.wait_for(reader.read(), SOON) == b"hello"
                writer.close()

    asyncio.run(scene())


def test_small_answers_are_not_delayed_by_nagle():
    async def scene():
        async with await asyncio.start_server(echo, INNER, 0) as server:
            plain = socket.create_connection(server.sockets[0].getsockname())
            transport, _ = await asyncio.get_running_loop().create_connection(lambda: End(set()), sock=plain)
            assert plain.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            transport.abort()

    asyncio.run(scene())


def test_a_connection_that_the_target_refuses_is_reset():
    async def scene():
        async with relayed() as (_, port):
            pass
        forward = Forward((OUTER, port), (INNER, port))
        reader, _ = await connect(port)
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(reader.read(1), SOON)
        forward.close()

    asyncio.run(scene())


@pytest.mark.parametrize("breaker", ["client", "server"])
def test_a_reset_on_one_side_is_a_reset_on_the_other(breaker):
    async def scene():
        accepted = asyncio.get_running_loop().create_future()

        async def keep(reader, writer):
            accepted.set_result((reader, writer))

        async with relayed(keep) as (_, port):
            client = await connect(port)
            client[1].write(b"x")
            server = await asyncio.wait_for(accepted, SOON)
            await server[0].read(1)
            broken, seen = (client, server) if breaker == "client" else (server, client)
            reset_on_close(broken[1].get_extra_info("socket"))
            broken[1].transport.abort()
            with pytest.raises(ConnectionResetError):
                await asyncio.wait_for(seen[0].read(1), SOON)
            seen[1].transport.abort()

    asyncio.run(scene())


def test_a_cut_inwards_holds_what_is_sent_and_nothing_is_lost():
    async def scene():
        heard = asyncio.Queue()

        async def listen(reader, writer):
            while data := await reader.read(1 << 16):
                heard.put_nowait(data)
            writer.close()

        async with relayed(listen) as (forward, port):
            _, writer = await connect(port)
            writer.write(b"before ")
            assert await asyncio.wait_for(heard.get(), SOON) == b"before "
            forward.hold(towards=True, back=False)
            writer.write(b"during")
            writer.write_eof()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(heard.get(), SILENCE)
            forward.hold(towards=False, back=False)
            assert await asyncio.wait_for(heard.get(), SOON) == b"during"

    asyncio.run(scene())


def test_a_cut_outwards_lets_requests_in_and_holds_the_answers():
    async def scene():
        heard = asyncio.Queue()

        async def answer(reader, writer):
            while question := await reader.read(1):
                heard.put_nowait(question)
                writer.write(b"answer")
            writer.close()

        async with relayed(answer) as (forward, port):
            reader, writer = await connect(port)
            writer.write(b"1")
            assert await asyncio.wait_for(heard.get(), SOON) == b"1"
            assert await asyncio.wait_for(reader.readexactly(6), SOON) == b"answer"
            forward.hold(towards=False, back=True)
            writer.write(b"2")
            assert await asyncio.wait_for(heard.get(), SOON) == b"2"
            assert await silent(reader)
            forward.hold(towards=False, back=False)
            assert await asyncio.wait_for(reader.readexactly(6), SOON) == b"answer"
            writer.close()

    asyncio.run(scene())


def test_a_sender_into_a_cut_is_slowed_down_by_tcp_itself():
    async def scene():
        async with relayed() as (forward, port):
            reader, writer = await connect(port)
            writer.write(b"x")
            await asyncio.wait_for(reader.readexactly(1), SOON)
            forward.hold(towards=True, back=False)
            sent = os.urandom(32 << 20)
            writer.write(sent)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(writer.drain(), SILENCE)
            forward.hold(towards=False, back=False)
            assert await asyncio.wait_for(reader.readexactly(len(sent)), SOON) == sent
            writer.close()

    asyncio.run(scene())


def test_a_new_connection_during_a_cut_waits_unanswered_until_it_heals():
    async def scene():
        async with relayed() as (forward, port):
            forward.hold(towards=True, back=True)
            reader, writer = await connect(port)
            writer.write(b"hello")
            assert await silent(reader)
            forward.hold(towards=False, back=False)
            assert await asyncio.wait_for(reader.readexactly(5), SOON) == b"hello"
            writer.close()

    asyncio.run(scene())


def test_a_cut_holds_a_connection_that_is_just_being_made():
    async def caught_after(steps):
        async with relayed() as (forward, port):
            client = socket.create_connection((OUTER, port))
            client.sendall(b"hello")
            for _ in range(steps):
                await asyncio.sleep(0)
            forward.hold(towards=True, back=True)
            reader, writer = await asyncio.open_connection(sock=client)
            assert await silent(reader)
            forward.hold(towards=False, back=False)
            assert await asyncio.wait_for(reader.readexactly(5), SOON) == b"hello"
            writer.close()

    async def scene():
        for steps in range(5):
            await caught_after(steps)

    asyncio.run(scene())


def test_close_resets_what_is_open_and_refuses_what_is_new():
    async def scene():
        async with relayed() as (forward, port):
            reader, writer = await connect(port)
            writer.write(b"x")
            await asyncio.wait_for(reader.readexactly(1), SOON)
            forward.close()
            with pytest.raises(ConnectionResetError):
                await asyncio.wait_for(reader.read(1), SOON)
            with pytest.raises(ConnectionRefusedError):
                await connect(port)

    asyncio.run(scene())


def test_a_wire_does_as_its_file_of_rules_says(tmp_path):
    async def scene():
        rules = tmp_path / "wire.json"

        def rule(inward, outward):
            draft = tmp_path / "draft"
            draft.write_text(json.dumps({"in": inward, "out": outward}))
            draft.replace(rules)
            wire.look()

        async with await asyncio.start_server(echo, INNER, 0) as server:
            port = server.sockets[0].getsockname()[1]
            wire = Wire(OUTER, INNER, [port], rules)
            wire.look()
            reader, writer = await connect(port)
            writer.write(b"a")
            assert await asyncio.wait_for(reader.readexactly(1), SOON) == b"a"
            rule(True, False)
            writer.write(b"b")
            assert await silent(reader)
            rule(False, False)
            assert await asyncio.wait_for(reader.readexactly(1), SOON) == b"b"
            writer.close()

    asyncio.run(scene())


def test_a_redirected_forward_resets_who_is_connected_and_takes_who_waits_to_the_new_target():
    async def scene():
        async with relayed() as (forward, port), await asyncio.start_server(echo, PEER, port):
            former, _ = await connect(port)
            forward.redirect((INNER, port))  # as before: nothing happens
            forward.hold(towards=True, back=False)
            waits, writer = await connect(port)
            writer.write(b"x")
            forward.redirect((PEER, port))
            with pytest.raises(ConnectionResetError):
                await asyncio.wait_for(former.read(1), SOON)
            forward.hold(towards=False, back=False)
            assert await asyncio.wait_for(waits.readexactly(1), SOON) == b"x"
            writer.close()

    asyncio.run(scene())


@pytest.mark.parametrize("end", ["patience", "redirect", "close"])
def test_who_waits_for_a_target_that_takes_no_more_is_reset_when_it_has_been_enough(end):
    async def scene():
        with socket.create_server((INNER, 0), backlog=0) as full:
            target = full.getsockname()
            patience = 0.1 if end == "patience" else None
            forward = Forward((OUTER, target[1]), target, patience)
            with socket.create_connection(target):  # the queue has room for one
                reader, _ = await connect(target[1])
                if end != "patience":
                    assert await silent(reader)
                    forward.redirect((PEER, target[1])) if end == "redirect" else forward.close()
                with pytest.raises(ConnectionResetError):
                    await asyncio.wait_for(reader.read(1), SOON)
            forward.close()

    asyncio.run(scene())
