"""The demo's process: takes mail, shows it, sets up the example organisation and plays the incidents."""

import argparse
import asyncio
import contextlib
import sys
from pathlib import Path

import httpx
import uvicorn

from tocsin_client.errors import TocsinError
from tocsin_kernel.clock import FollowingClock
from tocsin_kernel.ids import RandomIds
from tocsin_standalone.demo.outsider import Outsider
from tocsin_standalone.demo.page import mailbox_pages
from tocsin_standalone.demo.script import Script
from tocsin_standalone.mailbox import LOOPBACK, Mailbox

ORGANISATION = Path(__file__).parent / "organisation"


async def run(connection: Path, mailbox_port: int, smtp_port: int) -> None:
    """Run until a signal ends the web server."""
    clock = FollowingClock()
    async with Mailbox(port=smtp_port, clock=clock) as mailbox, httpx.AsyncClient(timeout=10) as web:
        outsider = Outsider.reading(connection, web, RandomIds())
        pages = mailbox_pages(mailbox, outsider.connection.console)
        server = uvicorn.Server(uvicorn.Config(pages, host=LOOPBACK, port=mailbox_port, log_level="warning", access_log=False))
        play = asyncio.create_task(perform(Script(outsider, mailbox, clock)))
        try:
            await server.serve()
        finally:
            play.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await play


async def perform(script: Script) -> None:
    """Set up the organisation and play, unless the last play is not over. What goes wrong is told in the log; the mailbox stays."""
    try:
        await script.outsider.organise(ORGANISATION)
        if await script.still_on_stage():
            print("Incidents of the last performance are still open: resolve them, start again, and there is a new one.")
            return
        await script.play()
        print("The incidents were played.")
    except* (TocsinError, httpx.HTTPError, TimeoutError, OSError) as failed:
        for error in failed.exceptions:
            print(f"the demo: {type(error).__name__}: {error}", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(prog="tocsin_standalone.demo", description="The outside world of the demo.")
    parser.add_argument("--connection", type=Path, required=True, help="the platform's connection.json")
    parser.add_argument("--mailbox", type=int, required=True, help="the port of the mailbox page")
    parser.add_argument("--smtp", type=int, required=True, help="the port that takes mail")
    chosen = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(run(chosen.connection, chosen.mailbox, chosen.smtp))


if __name__ == "__main__":
    main()
