"""A headless Chromium: the system's if there is one, else the one that comes as an npm package."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from playwright.async_api import Browser, async_playwright

PACKAGE = "@sparticuz/chromium@153.0.0"
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# The package unpacks the libraries that a bare machine lacks only where it believes to be in a cloud function.
UNPACK = {"AWS_EXECUTION_ENV": "AWS_Lambda_nodejs22.x", "AWS_LAMBDA_JS_RUNTIME": "nodejs22.x"}
ASK = "import chromium from '@sparticuz/chromium'; console.log(JSON.stringify(await chromium.executablePath()))"


@dataclass(frozen=True)
class Chromium:
    """A program, and what it needs to start."""

    program: str
    arguments: list[str] = field(default_factory=lambda: list(QUIET))
    environment: dict[str, str] = field(default_factory=dict)


@asynccontextmanager
async def browser() -> AsyncIterator[Browser]:
    """A running headless browser."""
    found = chromium()
    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(
            executable_path=found.program, args=found.arguments, env={**os.environ, **found.environment}
        )
        try:
            yield opened
        finally:
            await opened.close()


@cache
def chromium() -> Chromium:
    """The system's Chromium or Chrome; else the package's, installed once into the environment that runs the tests."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if program := shutil.which(name):
            return Chromium(program)
    return _packaged()


def _packaged() -> Chromium:
    folder = Path(sys.prefix) / "chromium"
    npm, node = (Path(sys.executable).with_name(name) for name in ("npm", "node"))
    if not (folder / "node_modules/@sparticuz/chromium").exists():
        folder.mkdir(exist_ok=True)
        (folder / "package.json").write_text(json.dumps({"private": True, "type": "module"}))
        subprocess.run([npm, "install", "--silent", "--no-audit", "--no-fund", "--no-package-lock", PACKAGE], cwd=folder, check=True)
    # Beside the package, not among everybody's temporary files: there another user's copy may lie, which this one must not start.
    unpacked = folder / "unpacked"
    unpacked.mkdir(exist_ok=True)
    environment = {**os.environ, **UNPACK, "TMPDIR": str(unpacked)}
    answer = subprocess.run(
        [node, "--input-type=module", "-e", ASK], cwd=folder, env=environment, check=True, capture_output=True, text=True
    )
    libraries = unpacked / "al2023" / "lib"
    return Chromium(
        json.loads(answer.stdout), [*QUIET, "--headless=shell", "--no-zygote", "--single-process"], {"LD_LIBRARY_PATH": str(libraries)}
    )
