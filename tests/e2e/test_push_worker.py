"""The console's service worker in a real browser: it shows pages, says so, and takes answers. No push service is needed for that."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest_asyncio
from playwright.async_api import CDPSession, Worker

from tocsin_testkit.browser import browser
from tocsin_testkit.outside.http import HttpRequest, HttpResponse, OutsideServer, running
from tocsin_testkit.world import eventually

WORKER = Path(__file__).parents[2] / "services/edge/console/public/push-worker.js"
PAGE = {
    "page": "p1",
    "proof": "pr00f",
    "receipts": "https://tocsin.example.test/hooks/channels/web-push/",
    "tag": "p1",
    "title": "[SEV2] #7 Checkout fails",
    "body": "Why you: step 1",
    "loud": True,
    "url": "https://tocsin.example.test/incidents/i1",
    "acknowledge_url": "https://tocsin.example.test/a/token",
    "escalate_url": "https://tocsin.example.test/a/token/escalate",
}


class Origin(OutsideServer):
    """Where the console comes from; keeps what the worker asks for."""

    answers = 200

    async def answer(self, request: HttpRequest) -> HttpResponse:
        if request.path == "/push-worker.js":
            return HttpResponse(200, WORKER.read_bytes(), {"content-type": "text/javascript"})
        if request.method == "GET":
            return HttpResponse(200, b"<!doctype html><title>x</title>", {"content-type": "text/html"})
        return HttpResponse(self.answers if request.path.startswith("/a/") else 200)

    def posts(self, path: str) -> list[HttpRequest]:
        return [request for request in self.requests if request.method == "POST" and request.path == path]


# A headless browser has no screen for notifications and refuses them: this stands in for the screen, inside of the real worker.
SCREEN = """() => {
    self.screen = new Map();
    self.registration.showNotification = async (title, options) => {
        self.screen.delete(options.tag);
        self.screen.set(options.tag, { title, ...options });
    };
}"""
SHOWN = """() => [...self.screen.values()].map(
    ({ title, body, tag, silent, actions = [] }) => ({ title, body, tag, silent, actions: actions.map((one) => one.action) })
)"""
CLICK = """(action) => {
    const [shown] = self.screen.values();
    const notification = { ...shown, close: () => self.screen.delete(shown.tag) };
    const waitUntil = () => undefined;
    self.dispatchEvent(Object.assign(new Event("notificationclick"), { notification, action, waitUntil }));
}"""


class Tab:
    """A browser with the worker in it."""

    def __init__(self, origin: Origin, worker: Worker, devtools: CDPSession, registration: str) -> None:
        self.origin = origin
        self._worker = worker
        self._devtools = devtools
        self._registration = registration

    async def push(self, **changed: Any) -> None:
        """What the browser does when a message has arrived and is decrypted."""
        message = {"origin": self.origin.url, "registrationId": self._registration, "data": json.dumps({**PAGE, **changed})}
        await self._devtools.send("ServiceWorker.deliverPushMessage", message)

    async def shown(self) -> list[dict[str, Any]]:
        """What stands on the screen."""
        found: list[dict[str, Any]] = await self._worker.evaluate(SHOWN)
        return found

    async def click(self, action: str) -> None:
        """Somebody presses a button of what is shown."""
        await self._worker.evaluate(CLICK, action)


@pytest_asyncio.fixture
async def tab() -> AsyncIterator[Tab]:
    async with running(Origin()) as origin, browser() as chromium:
        context = await chromium.new_context()
        page = await context.new_page()
        await page.goto(origin.url)
        devtools = await context.new_cdp_session(page)
        found: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def registered(event: dict[str, Any]) -> None:
            with contextlib.suppress(asyncio.InvalidStateError):
                if event["registrations"]:
                    found.set_result(event["registrations"][0]["registrationId"])

        devtools.on("ServiceWorker.workerRegistrationUpdated", registered)
        await devtools.send("ServiceWorker.enable")
        await page.evaluate(
            "async () => { await navigator.serviceWorker.register('/push-worker.js'); await navigator.serviceWorker.ready; }"
        )
        [worker] = context.service_workers
        await worker.evaluate(SCREEN)
        yield Tab(origin, worker, devtools, await asyncio.wait_for(found, 30.0))
        await context.close()


async def _told(tab: Tab, path: str) -> HttpRequest:
    async def there() -> bool:
        return bool(tab.origin.posts(path))

    await eventually(there, 30.0, what=f"{path} is told")
    return tab.origin.posts(path)[-1]


async def test_a_page_is_shown_and_its_receipt_sent(tab):
    await tab.push()
    receipt = await _told(tab, "/hooks/channels/web-push/shown")
    assert receipt.json == {"page": "p1", "proof": "pr00f"}
    [shown] = await tab.shown()
    assert shown == {
        "title": PAGE["title"],
        "body": PAGE["body"],
        "tag": "p1",
        "silent": False,
        "actions": ["acknowledge", "escalate"],
    }


async def test_an_edit_takes_the_place_of_the_first_in_silence(tab):
    await tab.push()
    await _told(tab, "/hooks/channels/web-push/shown")
    await tab.push(body="Taken by bob", loud=False, acknowledge_url="", escalate_url="")

    async def edited() -> bool:
        return [(shown["body"], shown["silent"], shown["actions"]) for shown in await tab.shown()] == [("Taken by bob", True, [])]

    await eventually(edited, 30.0)


async def test_a_button_answers(tab):
    await tab.push()
    await _told(tab, "/hooks/channels/web-push/shown")
    await tab.click("acknowledge")
    await _told(tab, "/a/token")
    await _told(tab, "/hooks/channels/web-push/opened")
    assert tab.origin.posts("/a/token/escalate") == []


async def test_an_answer_that_did_not_get_through_is_not_taken_for_given(tab):
    tab.origin.answers = 503
    await tab.push()
    await _told(tab, "/hooks/channels/web-push/shown")
    await tab.click("escalate")
    await _told(tab, "/a/token/escalate")

    async def warned() -> bool:
        return [shown["title"] for shown in await tab.shown()] == [f"Nobody else was asked: {PAGE['title']}"]

    await eventually(warned, 30.0)
