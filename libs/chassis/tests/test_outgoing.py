"""Which addresses requests to the outside may go to."""

import asyncio
import contextlib

import httpcore
import pytest
import uvloop

from tocsin_chassis.outgoing import is_public
from tocsin_chassis.outgoing_stream import connect


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "169.254.169.254",
        "192.168.1.1",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "::1",
        "fe80::1%eth0",
        "fd00::1",
        "::ffff:127.0.0.1",
        "64:ff9b::a00:1",
        "2002:7f00:1::",
        "ff02::1",
    ],
)
def test_addresses_that_are_not_public(address):
    assert not is_public(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"])
def test_addresses_that_are_public(address):
    assert is_public(address)


@contextlib.asynccontextmanager
async def listening(serve, **options):
    server = await asyncio.start_server(serve, "127.0.0.1", 0, **options)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_what_is_sent_is_read_until_the_end():
    async def echo(reader, writer):
        writer.write(await reader.readexactly(900_000))
        writer.close()

    async with listening(echo) as port:
        stream = await connect("127.0.0.1", port, 10)
        assert not stream.get_extra_info("is_readable")
        await stream.write(b"x" * 900_000, 10)
        got = b""
        while piece := await stream.read(65_536, 10):
            got += piece
        assert got == b"x" * 900_000
        assert stream.get_extra_info("is_readable")
        await stream.aclose()


def test_connections_work_on_the_loop_of_services_too():
    uvloop.run(test_what_is_sent_is_read_until_the_end())


async def test_silence_and_a_broken_connection_have_names():
    async def reset(reader, writer):
        await reader.readexactly(1)
        writer.transport.abort()

    async with listening(reset) as port:
        stream = await connect("127.0.0.1", port, 10)
        with pytest.raises(httpcore.ReadTimeout):
            await stream.read(10, 0.01)
        await stream.write(b"x", 10)
        with contextlib.suppress(httpcore.ReadError):
            assert await stream.read(10, 10) == b""
        assert stream.get_extra_info("is_readable")
    with pytest.raises(httpcore.ConnectError):
        await connect("127.0.0.1", port, 10)


async def test_a_slow_reader_is_a_timeout():
    release = asyncio.Event()

    async def deaf(reader, writer):
        reader._transport.pause_reading()
        await release.wait()
        writer.close()

    async with listening(deaf) as port:
        stream = await connect("127.0.0.1", port, 10)
        with pytest.raises(httpcore.WriteTimeout):
            for _ in range(200):
                await stream.write(b"x" * 1_000_000, 0.05)
        await stream.aclose()
        release.set()
