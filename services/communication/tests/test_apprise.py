"""What is special to Apprise; what every channel must do is in channel_conformance.py. Its service here is plain JSON over HTTP."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio
from channel_conformance import KEY, NOW, SECRET_TOKEN, Arrived, Bench, ChannelConformance, How, outgoing

from tocsin_communication.channels import apprise
from tocsin_communication.channels.apprise import AppriseChannel
from tocsin_communication.channels.channel import ChannelDriver, OneWay, Outgoing, Surroundings
from tocsin_communication.channels.chat import RESENT
from tocsin_communication.contacts.contact import Channel
from tocsin_communication.pages.receipt import Outcome, Receipt
from tocsin_kernel.clock import ManualClock
from tocsin_testkit.outside.http import HttpRequest, HttpResponse, OutsideServer, Plan, running


class JsonService(OutsideServer):
    """Takes Apprise's JSON."""

    def __init__(self) -> None:
        super().__init__()
        self.taken: list[dict[str, Any]] = []

    @property
    def address(self) -> str:
        return self.url.replace("http://", "json://") + "/in"

    async def answer(self, request: HttpRequest) -> HttpResponse:
        plan = self.planned()
        if plan is Plan.REFUSE_NOW:
            return HttpResponse(503)
        self.taken.append(request.json)
        return HttpResponse(200, then=plan)


class AppriseBench:
    """Apprise in words that fit all channels."""

    kind = apprise.KIND
    # It says that it failed, and no more.
    cannot = frozenset({How.THROTTLE, How.REFUSE_NOW, How.TARGET, How.CONFIG})
    accepts = Outcome.ACCEPTED
    edits = False
    recovers = False
    shows_links = True

    def __init__(self, server: JsonService, driver: AppriseChannel) -> None:
        self.server = server
        self.address = server.address
        self.driver = driver

    def next(self, how: How) -> None:
        self.server.plan.append(Plan(how.value))

    def arrived(self) -> list[Arrived]:
        return [Arrived("", f"{taken['title']}\n{taken['message']}", RESENT in taken["message"]) for taken in self.server.taken]

    def now_shown(self) -> list[str]:
        return [arrived.text for arrived in self.arrived()]

    def nowhere(self) -> ChannelDriver:
        return _Elsewhere(self.driver)


class _Elsewhere(OneWay):
    def __init__(self, driver: AppriseChannel) -> None:
        self._driver = driver

    async def send(self, outgoing: Outgoing, idempotency_key: str, seconds: float) -> Receipt:
        page = replace(outgoing.page, address="json://127.0.0.1:1/in")
        return await self._driver.send(replace(outgoing, page=page), idempotency_key, seconds)


@pytest_asyncio.fixture
async def bench() -> AsyncIterator[AppriseBench]:
    threads = ThreadPoolExecutor(apprise.AT_ONCE)
    async with running(JsonService()) as server:
        yield AppriseBench(server, AppriseChannel(frozenset({"json"}), threads))
    threads.shutdown()


class TestApprise(ChannelConformance):
    async def test_nobody_listening_means_surely_not_taken(self, bench: Bench) -> None:
        """Apprise does not tell this from any other failure: the page goes out again, marked as resent."""
        receipt = await bench.nowhere().send(outgoing(bench.kind.channel, bench.address), KEY, 5.0)
        assert receipt.outcome is Outcome.UNKNOWN


def page(address: str) -> Outgoing:
    return outgoing(Channel.APPRISE, address)


async def test_a_refusal_is_told_without_the_address(bench):
    bench.next(How.REFUSE_NOW)
    receipt = await bench.driver.send(page(bench.address.replace("json://", "json://user:hunter2@")), KEY, 5.0)
    assert receipt.outcome is Outcome.UNKNOWN
    assert "json" in receipt.detail
    assert "hunter2" not in receipt.detail


@pytest.mark.parametrize("address", ["syslog://", "xml://127.0.0.1/", "file:///etc/passwd"])
async def test_only_what_the_operator_named_is_reached(bench, address):
    receipt = await bench.driver.send(page(address), KEY, 5.0)
    assert receipt.outcome is Outcome.PERMANENT_CONFIG
    assert "TOCSIN_APPRISE_SCHEMES" in receipt.detail


async def test_an_address_that_apprise_does_not_understand_is_dead(bench):
    driver = AppriseChannel(frozenset({"pover"}), ThreadPoolExecutor(1))
    receipt = await driver.send(page("pover://"), KEY, 5.0)
    assert receipt.outcome is Outcome.PERMANENT_TARGET


async def test_who_waits_for_a_thread_in_vain_has_not_been_sent(bench):
    one = ThreadPoolExecutor(1)
    driver = AppriseChannel(frozenset({"json"}), one)
    bench.next(How.HANG)
    slow = asyncio.create_task(driver.send(page(bench.address), KEY, 2.0))
    async with asyncio.timeout(30):
        while not bench.server.taken:
            await asyncio.sleep(0.01)
    assert (await driver.send(page(bench.address), KEY, 0.2)).outcome is Outcome.TRANSIENT
    assert (await slow).outcome is Outcome.UNKNOWN
    assert len(bench.server.taken) == 1
    one.shutdown()


async def test_links_are_in_the_text(bench):
    await bench.driver.send(page(bench.address), KEY, 5.0)
    assert f"Acknowledge: https://tocsin.example.test/a/{SECRET_TOKEN}\n" in bench.server.taken[0]["message"]


async def test_without_settings_it_is_off_and_says_why():
    around = Surroundings(ManualClock(NOW), "https://tocsin.example.test")
    async with apprise.open_apprise(apprise.AppriseSettings(), around) as [account]:
        receipt = await account.driver.send(page("json://x"), KEY, 1.0)
    assert "TOCSIN_APPRISE_SCHEMES" in receipt.detail
    async with apprise.open_apprise(apprise.AppriseSettings(apprise_schemes=" pover, json "), around) as [account]:
        assert not account.off
