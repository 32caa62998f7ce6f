"""nats-server: durable, and every user does only what it should."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import nats
import pytest
from nats.aio.client import Client
from nats.js.errors import NoStreamResponseError
from nats.js.errors import ServerError as JetStreamError

from tocsin_standalone.canary import jetstream_answers, jetstream_writes
from tocsin_standalone.errors import StandaloneError
from tocsin_standalone.nats import EmbeddedNats, render, service_users, supervisor_user


def embedded(folder: Path) -> EmbeddedNats:
    users = [*service_users({"detection": "one", "triage": "two"}), supervisor_user("three")]
    return EmbeddedNats(folder / "store", folder / "run", users)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedNats]:
    server = embedded(tmp_path_factory.mktemp("nats"))
    server.start()
    yield server
    server.destroy()


@asynccontextmanager
async def connected(server: EmbeddedNats, user: str) -> AsyncIterator[Client]:
    """A client, and `refused` with what the server would not have."""

    async def note(error: Exception) -> None:
        client.refused.append(str(error))  # type: ignore[attr-defined]

    client = Client()
    client.refused = []  # type: ignore[attr-defined]
    await client.connect(server.url(user), error_cb=note, allow_reconnect=False)
    try:
        yield client
    finally:
        await client.close()


def test_an_acknowledged_message_is_on_the_disk(tmp_path: Path) -> None:
    assert '"sync_interval": "always"' in render(port=1, store=tmp_path, users=[])


async def test_a_service_tells_its_own_facts_and_reads_those_of_others(server: EmbeddedNats) -> None:
    async with connected(server, "detection") as detection, connected(server, "triage") as triage:
        await detection.jetstream().add_stream(name="DETECTION", subjects=["tocsin.detection.v1.>"])
        await detection.jetstream().publish("tocsin.detection.v1.AlertOpened.1", b"fact")
        subscription = await triage.jetstream().pull_subscribe("tocsin.detection.v1.>", durable="triage", stream="DETECTION")
        (message,) = await subscription.fetch(1, timeout=5)
        await message.ack_sync()
        assert message.data == b"fact"
        assert triage.refused == []  # type: ignore[attr-defined]


async def test_a_service_cannot_speak_for_another(server: EmbeddedNats) -> None:
    async with connected(server, "triage") as triage:
        await triage.publish("tocsin.detection.v1.AlertOpened.1", b"forged")
        await triage.subscribe("tocsin.detection.v1.>")
        await triage.flush()
        await _refused(triage, 2)
        assert all("permissions violation" in text.lower() for text in triage.refused)  # type: ignore[attr-defined]


async def test_a_service_cannot_touch_the_stream_of_another(server: EmbeddedNats) -> None:
    async with connected(server, "detection") as detection, connected(server, "triage") as triage:
        await detection.jetstream().add_stream(name="DETECTION", subjects=["tocsin.detection.v1.>"])
        with pytest.raises((TimeoutError, nats.errors.TimeoutError)):
            await triage.jetstream(timeout=0.5).delete_stream("DETECTION")
        assert (await triage.jetstream().stream_info("DETECTION")).config.name == "DETECTION"


async def test_a_wrong_password_is_refused(server: EmbeddedNats) -> None:
    with pytest.raises((nats.errors.Error, JetStreamError, NoStreamResponseError)):
        await nats.connect(f"nats://triage:wrong@127.0.0.1:{server.port}", allow_reconnect=False, connect_timeout=2)


def test_the_canary_sings_after_a_crash_and_not_without_a_server(tmp_path: Path) -> None:
    server = embedded(tmp_path)
    server.start()
    url = server.url("supervisor")
    try:
        assert jetstream_answers(url) and jetstream_writes(url)
        server.kill()
        assert not jetstream_answers(url) and not jetstream_writes(url)
        server.start()
        assert jetstream_writes(url)
    finally:
        server.destroy()
    assert not jetstream_answers(url)


def test_a_server_that_cannot_start_says_why(server: EmbeddedNats, tmp_path: Path) -> None:
    second = EmbeddedNats(tmp_path / "store", tmp_path / "run", [supervisor_user("x")], port=server.port)
    try:
        with pytest.raises(StandaloneError, match="address already in use"):
            second.start()
    finally:
        second.destroy()


async def _refused(client: Client, count: int) -> None:
    async with asyncio.timeout(5):
        while len(client.refused) < count:  # type: ignore[attr-defined]
            await client.flush()
