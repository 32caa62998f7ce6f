"""One response in a process of its own, on a durable PostgreSQL, and programs that may be killed: what measurements of runs are made on."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import psycopg
from psycopg import sql

from tocsin_chassis.postgres.migrations import migrate
from tocsin_standalone.platform import serves
from tocsin_standalone.ports import free_port
from tocsin_testkit.playbook_stage import Stage
from tocsin_testkit.servers import SERVICES, Servers
from tocsin_testkit.world import Keys, World, empty_streams

DATABASE = "playbooks"


class Process:
    """A program that is started again after it was killed."""

    def __init__(self, code: str, environment: dict[str, str], log: Path) -> None:
        self._command = [sys.executable, "-c", code]
        self._environment = {**os.environ, **environment}
        self._log = log
        self.start()

    def start(self) -> None:
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(self._command, env=self._environment, stdout=log, stderr=log)

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


class Bench:
    """The response, and whoever calls it."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world = world
        self.folder = folder
        self.port = free_port()
        self.response = Process(
            "import sys; from tocsin_response.app import main; sys.argv = ['tocsin-response', 'serve']; main()",
            {
                "TOCSIN_POSTGRES_URL": world.servers.postgres_url(DATABASE, "tocsin_response"),
                "TOCSIN_NATS_URL": world.servers.nats_url,
                "TOCSIN_GRPC_LISTEN": f"127.0.0.1:{self.port}",
                "TOCSIN_SIGNING_KEY_FILE": str(world.keys.folder / "response.jwk"),
                "TOCSIN_TRUSTED_KEYS_FILE": str(world.keys.folder / "trusted.jwks"),
                "TOCSIN_EVIDENCE_FOLDER": str(folder / "evidence"),
                "TOCSIN_LOG_LEVEL": "warning",
            },
            folder / "response.log",
        )

    def stage(self) -> Stage:
        """Whoever calls it. The tokens of one are good for five minutes."""
        return Stage(self.world, self.port)

    async def ready(self) -> None:
        while not await asyncio.to_thread(serves, f"127.0.0.1:{self.port}"):
            if self.response.process.poll() is not None:
                raise RuntimeError((self.folder / "response.log").read_text()[-2000:])
            await asyncio.sleep(0.02)

    def processes(self) -> list[psutil.Process]:
        me = psutil.Process()
        return [me, *me.children(recursive=True)]


@asynccontextmanager
async def bench(folder: Path, started: Servers) -> AsyncIterator[Bench]:
    with psycopg.connect(started.postgres_url("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
    with psycopg.connect(started.postgres_url(DATABASE), autocommit=True) as connection:
        for service in SERVICES:
            role = sql.Identifier(f"tocsin_{service}")
            connection.execute(sql.SQL("CREATE SCHEMA {} AUTHORIZATION {}").format(sql.Identifier(service), role))
    await asyncio.to_thread(migrate, started.postgres_url(DATABASE, "tocsin_response"), "response")
    async with empty_streams(started) as jetstream:
        made = Bench(World(started, DATABASE, Keys(folder), jetstream), folder)
        try:
            await made.ready()
            yield made
        finally:
            made.response.kill()
