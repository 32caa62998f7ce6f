"""Secrets of integrations: sealed where they lie, and nowhere to be found as they are."""

import base64
import hashlib
import hmac
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import psycopg
import pytest
from detection_service import Door
from psycopg import sql
from tocsin.detection.v1 import detection_service_pb2 as pb

from tocsin_chassis import cli
from tocsin_chassis.app import App
from tocsin_chassis.sealing import add_key
from tocsin_detection.app import detection
from tocsin_detection.settings import DetectionSettings
from tocsin_testkit.world import World

CANARY = "canary-5d41402abc4b2a76"
BODY = json.dumps({"title": "disk full"}).encode()


def signature(secret: str) -> dict[str, str]:
    return {"x-hub-signature-256": "sha256=" + hmac.new(secret.encode(), BODY, hashlib.sha256).hexdigest()}


@asynccontextmanager
async def running(world: World, **settings: object) -> AsyncIterator[tuple[App, Door]]:
    async with world.running(detection(world.settings("detection", DetectionSettings, **settings), clock=world.clock)) as app:
        yield app, Door(world, app, "webhook")


async def knock(door: Door, key: str, headers: dict[str, str]) -> int:
    request = pb.SubmitReportRequest(integration_key=key, kind="webhook", method="POST", path="/", body=BODY, headers=headers)
    return int((await door.edge.SubmitReport(request)).status)


async def give(door: Door, secret: str) -> int:
    answer = await door.admin.SetIntegrationSecret(pb.SetIntegrationSecretRequest(name="webhook", secret=secret))
    return int(answer.integration.secrets)


def dumped(world: World) -> str:
    """Every row of every table of every service, as text."""
    with psycopg.connect(world.servers.postgres_url(world.database), autocommit=True) as connection:
        tables = connection.execute(
            "SELECT table_schema, table_name FROM information_schema.tables"
            " WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')"
        ).fetchall()
        rows = [
            row
            for schema, table in tables
            for (row,) in connection.execute(sql.SQL("SELECT given::text FROM {} AS given").format(sql.Identifier(schema, table)))
        ]
    assert len(rows) > 5
    return "\n".join(rows)


async def told(world: World) -> bytes:
    """Everything on the stream of detection."""
    info = await world.jetstream.stream_info("DETECTION")
    numbers = range(info.state.first_seq or 1, info.state.last_seq + 1)
    found = [await world.jetstream.get_msg("DETECTION", number) for number in numbers]
    assert found
    return b"\n".join(repr((message.subject, message.headers)).encode() + (message.data or b"") for message in found)


def forms(secret: str) -> list[str]:
    """How a secret may look where it should not be."""
    return [secret, secret.encode().hex(), base64.b64encode(secret.encode()).decode().rstrip("=")]


async def test_neither_secret_nor_key_is_found_in_database_facts_or_logs(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with running(world) as (_, door):
        await door.open()
        assert [await give(door, CANARY + "-old"), await give(door, CANARY)] == [1, 2]
        assert await knock(door, door.key, signature(CANARY)) == 202
        assert await knock(door, door.key, signature(CANARY + "-old")) == 202
        assert await knock(door, door.key, signature(CANARY + "-wrong")) == 401
        shown = str((await door.admin.ListIntegrations(pb.ListIntegrationsRequest())).integrations)
        exported = str((await door.admin.ExportConfiguration(pb.ExportConfigurationRequest())).configuration)
        await world.eventually(lambda: _has_facts(world))
        everywhere = "\n".join([dumped(world), (await told(world)).decode("latin-1"), caplog.text, shown, exported])
    for secret in (CANARY, door.key):
        assert not [form for form in forms(secret) if form in everywhere]


async def _has_facts(world: World) -> bool:
    return (await world.jetstream.stream_info("DETECTION")).state.messages > 0


async def test_what_lay_there_as_it_was_is_sealed_at_start_and_still_verifies(world: World) -> None:
    async with running(world) as (_, door):
        await door.open()
    with psycopg.connect(world.servers.postgres_url(world.database, "tocsin_detection"), autocommit=True) as connection:
        connection.execute("UPDATE integration SET secrets = %s WHERE name = 'webhook'", ([CANARY, CANARY + "-old"],))
    async with running(world) as (_, again):

        async def sealed() -> bool:
            return CANARY not in dumped(world)

        await world.eventually(sealed, within=30)
        assert [await knock(again, door.key, signature(secret)) for secret in (CANARY, CANARY + "-old", "wrong-one")] == [202, 202, 401]


async def test_a_new_key_seals_everything_after_which_the_old_one_can_go(world: World, tmp_path: Path) -> None:
    file = tmp_path / "keys.jwks"
    add_key(file)
    async with running(world, secrets_key_file=file) as (_, door):
        await door.open()
        await give(door, CANARY)
    add_key(file)
    async with running(world, secrets_key_file=file) as (app, again):
        assert await knock(again, door.key, signature(CANARY)) == 202
        assert [await app.seal_again(), await app.seal_again()] == [1, 0]
    keys = json.loads(file.read_text())["keys"]
    file.write_text(json.dumps({"keys": keys[:1]}))
    async with running(world, secrets_key_file=file) as (_, last):
        assert await knock(last, door.key, signature(CANARY)) == 202


async def test_without_the_key_nobody_is_let_in_and_no_secret_is_kept(world: World) -> None:
    async with running(world) as (_, door):
        await door.open()
        await give(door, CANARY)
    async with running(world, secrets_key_file=None) as (_, without):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await knock(without, door.key, signature(CANARY))
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
        assert await give(without, "") == 0
        with pytest.raises(grpc.aio.AioRpcError) as missing:
            await give(without, CANARY)
        assert missing.value.code() is grpc.StatusCode.FAILED_PRECONDITION
        assert "TOCSIN_SECRETS_KEY_FILE" in (missing.value.details() or "")


def test_the_command_makes_a_key_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "keys.jwks"
    for count in (1, 2):
        assert cli.run("detection", DetectionSettings, detection, ["secrets", "new-key", str(file)]) == 0
        assert len(json.loads(file.read_text())["keys"]) == count
    assert "rewrap" in capsys.readouterr().out
