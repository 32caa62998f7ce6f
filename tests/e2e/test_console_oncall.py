"""On call in a real browser: put somebody on call, see who would be paged, and read what was sent."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tocsin_testkit.browser import browser

TOCSIN = Path(sys.executable).with_name("tocsin")
SOON = 30_000


@pytest.fixture
def tocsin(up) -> Callable[..., str]:
    environment = {**os.environ, "TOCSIN_CONNECTION": str(up.home / "connection.json")}

    def run(*arguments: str) -> str:
        return subprocess.run([TOCSIN, *arguments], env=environment, capture_output=True, text=True, check=True).stdout

    return run


@pytest.fixture
async def page(tocsin):
    """The console, signed in as the administrator; fails if the page throws."""
    link = re.search(r"https?://\S+", tocsin("sign-in-link", "admin"))
    assert link
    problems: list[str] = []
    async with browser() as opened:
        page = await opened.new_page(viewport={"width": 1440, "height": 900})
        page.on("pageerror", lambda error: problems.append(str(error)))
        await page.goto(link.group())
        await page.get_by_role("button", name="Sign in").click()
        await page.wait_for_url(re.compile(r".*/(incidents)?(\?.*)?$"))
        yield page
    assert not problems


async def go(page: Page, name: str) -> None:
    await page.get_by_role("navigation", name="Pages").get_by_role("link", name=name, exact=True).click()


async def test_whoever_is_put_on_call_is_whom_the_simulation_asks(page):
    await go(page, "On call")
    await page.locator('a[href="/oncall/shop-primary"]').first.click()
    await page.get_by_role("button", name="Put somebody on call").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Who comes").fill("dolores")
    await dialog.get_by_label(re.compile("^Why")).fill("The whole shop is at sea")
    await dialog.get_by_role("button", name="Change it").click()
    await expect(dialog).to_be_hidden(timeout=SOON)
    await expect(page.get_by_text("dolores instead of everybody")).to_be_visible(timeout=SOON)
    starts = await page.evaluate(
        "new Date(Math.ceil(Date.now() / 3600000 + 1) * 3600000).toLocaleString('sv').slice(0, 16).replace(' ', 'T')"
    )

    await go(page, "Escalation")
    await page.get_by_label("Service or policy").select_option("service:checkout")
    await page.get_by_label("It opens at (your clock)").fill(starts)
    await page.get_by_role("button", name="Simulate").click()
    first = page.get_by_role("table").get_by_role("row").nth(1)
    await expect(first).to_contain_text("dolores", timeout=SOON)
    await expect(first).to_contain_text("at once")
    await expect(first).to_contain_text("e-mail", timeout=SOON)

    await go(page, "On call")
    await page.locator('a[href="/oncall/shop-primary"]').first.click()
    await page.get_by_role("button", name="Remove this override").first.click()
    await expect(page.get_by_text("dolores instead of everybody")).to_be_hidden(timeout=SOON)


async def test_a_test_page_is_in_the_message_log_with_its_attempts(page):
    await go(page, "Pages")
    await page.get_by_role("button", name="Contact methods").click()
    await page.get_by_label("Responder").select_option("amara")
    await page.get_by_role("listitem").filter(has_text="amara-email").get_by_role("button", name="Test page").first.click()
    await expect(page.get_by_text("A test is on its way")).to_be_visible(timeout=SOON)

    await page.get_by_role("button", name="Message log").click()
    row = page.locator("[data-id]").filter(has_text="Test page for amara-email").first
    await expect(row).to_contain_text(re.compile("sent|delivered"), timeout=SOON)
    await row.get_by_role("button").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog.get_by_text("test asked for by admin")).to_be_visible(timeout=SOON)
    await expect(dialog.get_by_role("listitem").filter(has_text=re.compile("accepted|delivered")).first).to_be_visible(timeout=SOON)
    await dialog.get_by_role("button", name="Close").click()
    await page.get_by_label("State").select_option(label="failed")
    await expect(page).to_have_url(re.compile("state="))


async def test_somebody_is_added_to_an_incident_by_hand(page, tocsin):
    tocsin("incident", "declare", "Orders are stuck", "--service", "checkout")
    await page.get_by_role("link", name="Orders are stuck").first.click(timeout=SOON)
    await page.get_by_role("button", name="Add responder").click(timeout=SOON)
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Who?").select_option("responder:chen")
    await dialog.get_by_label(re.compile("needed for")).fill("Knows the queue")
    await dialog.get_by_role("button", name="Ask and page").click()
    await expect(page.get_by_text("No answer yet").first).to_be_visible(timeout=SOON)
    await page.get_by_role("button", name=re.compile("Resolve")).first.click()
    await page.get_by_role("dialog").get_by_role("button", name="Resolve").click()
    await expect(page.get_by_role("button", name="Add responder")).to_be_hidden(timeout=SOON)


async def test_everybody_sees_that_paging_is_stopped(page, tocsin):
    tocsin("page", "stop", "A drill of the phone provider", "--yes")
    try:
        await page.reload()
        await expect(page.get_by_text("Nobody is paged")).to_be_visible(timeout=SOON)
        await expect(page.get_by_text("A drill of the phone provider")).to_be_visible()
        await page.get_by_role("button", name="Let pages go").click()
        await expect(page.get_by_text("Nobody is paged")).to_be_hidden(timeout=SOON)
    finally:
        tocsin("page", "resume")
