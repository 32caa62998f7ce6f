"""The console in a real browser."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.async_api import expect

from tocsin_testkit.browser import browser

TOCSIN = Path(sys.executable).with_name("tocsin")


@pytest.fixture
async def page(up):
    async with browser() as opened:
        page = await opened.new_page(viewport={"width": 1440, "height": 900})
        yield page


async def test_sign_in_see_a_new_incident_without_reload_and_take_it(up, page):
    import os

    environment = {**os.environ, "TOCSIN_CONNECTION": str(up.home / "connection.json")}
    printed = subprocess.run([TOCSIN, "sign-in-link", "alice"], env=environment, capture_output=True, text=True, check=True).stdout
    link = re.search(r"https?://\S+", printed)
    assert link
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    await page.goto(link.group())
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url(re.compile(r".*/(incidents)?(\?.*)?$"))

    declared = subprocess.run([TOCSIN, "incident", "declare", "Seen in the browser"], env=environment, capture_output=True, text=True)
    assert declared.returncode == 0, declared.stderr
    row = page.get_by_role("link", name="Seen in the browser").first
    await expect(row).to_be_visible(timeout=10_000)
    await row.click()
    await page.get_by_role("button", name=re.compile("Acknowledge")).first.click()
    await expect(page.get_by_text(re.compile("Acknowledged", re.IGNORECASE)).first).to_be_visible(timeout=10_000)
    await page.get_by_role("button", name=re.compile("Resolve")).first.click()
    await page.get_by_role("dialog").get_by_role("button", name="Resolve").click()
    await expect(page.get_by_text(re.compile("Resolved", re.IGNORECASE)).first).to_be_visible(timeout=10_000)
    assert not problems


async def test_silence_what_is_like_an_alert_and_see_why_nobody_was_paged(up, page):
    import os

    environment = {**os.environ, "TOCSIN_CONNECTION": str(up.home / "connection.json")}

    def tocsin(*arguments: str) -> str:
        return subprocess.run([TOCSIN, *arguments], env=environment, capture_output=True, text=True, check=True).stdout

    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    link = re.search(r"https?://\S+", tocsin("sign-in-link", "alice"))
    assert link
    await page.goto(link.group())
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url(re.compile(r".*/(incidents)?(\?.*)?$"))
    await page.get_by_role("link", name="Alerts").click()

    tocsin("alert", "send", "Disk of web-9 is full", "--label", "host=web-9")
    row = page.locator("[data-id]", has_text="Disk of web-9 is full")
    await row.get_by_role("button", name=re.compile("^Silence")).click(timeout=10_000)
    dialog = page.get_by_role("dialog")
    await dialog.get_by_role("button", name="All that match").click()
    await expect(dialog.get_by_text("One open alert matches now")).to_be_visible(timeout=10_000)
    await dialog.get_by_label("Why?").fill("The disk is being swapped")
    await dialog.get_by_role("button", name="Silence", exact=True).click()
    await expect(dialog).to_be_hidden(timeout=10_000)

    tocsin("alert", "send", "Disk of web-9 is slow", "--label", "host=web-9")
    held = page.locator("[data-id]", has_text="Disk of web-9 is slow")
    await expect(held.get_by_text("Silenced")).to_be_visible(timeout=10_000)
    await held.get_by_role("link").click()
    await expect(page.get_by_role("heading", name="Why was nobody paged?")).to_be_visible(timeout=10_000)
    await expect(page.get_by_text("The disk is being swapped").first).to_be_visible(timeout=10_000)
    assert not problems
