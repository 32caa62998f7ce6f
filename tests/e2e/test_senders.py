"""The page of each sender, done as it is written."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tocsin_standalone.platform import integration_kinds

PAGES = Path(__file__).parents[2] / "services" / "detection" / "SENDERS.md"
BIN = Path(sys.executable).parent
SIGNED = {"sns"}
TITLES = {
    "alertmanager": "Prometheus reports",
    "alertmanager-webhook": "Alertmanager reports",
    "pagerduty": "A client of PagerDuty reports",
    "opsgenie": "A client of Opsgenie reports",
    "grafana": "Grafana reports",
    "cloudevents": "A CloudEvent reports",
    "sentry": "Sentry reports",
    "datadog": "Datadog reports",
    "email": "Mail reports",
    "webhook": "A webhook reports",
}
ENDED = {"pagerduty", "opsgenie", "webhook"}


def blocks(language):
    """The blocks of a language by the kind whose page they are on; the common ones under the empty name."""
    introduction, *pages = re.split(r"^## .*— `(.+)`$", PAGES.read_text(), flags=re.MULTILINE)
    texts = {"": introduction, **dict(zip(pages[::2], pages[1::2], strict=True))}
    return {kind: re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL) for kind, text in texts.items()}


def run(up, commands):
    """Commands as they are written, but for folder and ports."""
    places = {
        ".tocsin/connection.json": str(up.home / "connection.json"),
        ".venv/bin/": f"{BIN}/",
        "smtp://127.0.0.1:8083": f"smtp://{up.connection['integrations']['email']['smtp']}",
        "http://127.0.0.1:8080": up.connection["console"].rstrip("/"),
    }
    for written, place in places.items():
        commands = commands.replace(written, place)
    environment = {**os.environ, "TOCSIN_CONNECTION": str(up.home / "connection.json"), "COLUMNS": "160"}
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", commands], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, f"{commands}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_every_kind_has_a_page_with_something_to_try():
    pages = blocks("sh")
    assert pages.keys() - {""} == set(integration_kinds())
    assert all(pages.values())


@pytest.mark.parametrize("kind", integration_kinds())
def test_the_commands_of_a_page_do_what_it_says(up, kind):
    [prelude] = blocks("sh")[""]
    said = [run(up, f"{prelude}\n{commands}") for commands in blocks("sh")[kind]]
    if kind in SIGNED:
        assert said == ["403\n"]
    elif kind == "heartbeat":
        assert '"ALIVE"' in said[0]
    else:
        listed = run(up, f".venv/bin/tocsin alert list --integration {kind} --state any -o json")
        states = {alert["title"]: alert["state"] for alert in json.loads(listed)}
        assert states[TITLES[kind]].removeprefix("STATE_").lower() == ("resolved" if kind in ENDED else "open")


def test_the_integrations_of_the_pages_can_be_applied(up, tmp_path):
    for kind, texts in blocks("yaml").items():
        for number, text in enumerate(texts):
            if "kind: Integration" in text:
                (tmp_path / f"{kind}-{number}.yaml").write_text(text)
    run(up, f"export SHOP_GENIE_KEY=8f1e7c52-0000-1111-2222-333344445555\n.venv/bin/tocsin apply -f {tmp_path} --dry-run")


def test_what_is_to_be_pasted_can_be_read():
    for texts in blocks("yaml").values():
        assert all(yaml.safe_load(text) for text in texts)
    for texts in blocks("json").values():
        assert all(json.loads(text) for text in texts)
