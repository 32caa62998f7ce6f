"""Senders that are too fast, and a platform that has too much to do: who may go on when, and what still comes in."""

import asyncio
from datetime import timedelta

import pytest
from tocsin.detection.v1 import detection_service_pb2 as pb
from tocsin.detection.v1.integration_pb2 import Configuration, Integration, RateLimit

KINDS = ("webhook", "opsgenie", "pagerduty")


@pytest.fixture
async def limited(platform):
    """Integrations that may send two signals at once and one a second."""
    wanted = [Integration(name=kind, kind=kind, rate_limit=RateLimit(per_second=1, burst=2)) for kind in KINDS]
    await platform.detection.ApplyConfiguration(pb.ApplyConfigurationRequest(configuration=Configuration(integrations=wanted)))
    for kind in KINDS:
        rotated = await platform.detection.RotateIntegrationKey(pb.RotateIntegrationKeyRequest(name=kind))
        platform.keys[kind] = rotated.key
    return platform


def report(platform, kind, number, severity="warning"):
    key = platform.keys[kind]
    match kind:
        case "webhook":
            return platform.http.post(f"/webhook/{key}", json={"title": f"alert {number}", "severity": severity})
        case "opsgenie":
            priority = "P1" if severity == "critical" else "P3"
            body = {"message": f"alert {number}", "alias": str(number), "priority": priority}
            return platform.http.post("/v2/alerts", json=body, headers={"authorization": f"GenieKey {key}"})
        case _:
            payload = {"summary": f"alert {number}", "source": "web-1", "severity": severity}
            event = {"routing_key": key, "event_action": "trigger", "dedup_key": str(number), "payload": payload}
            return platform.http.post("/v2/enqueue", json=event)


@pytest.mark.parametrize("kind", KINDS)
async def test_who_is_too_fast_hears_when_to_go_on_and_what_is_urgent_comes_in(limited, kind):
    for number in range(2):
        assert (await report(limited, kind, number)).status_code == 202
    refused = await report(limited, kind, 3)
    assert refused.status_code == 429
    assert (refused.headers["retry-after"], refused.headers["x-ratelimit-limit"], refused.headers["x-ratelimit-remaining"]) == (
        "1",
        "2",
        "0",
    )
    assert (await report(limited, kind, 4, severity="critical")).status_code == 202
    limited.clock.forward(timedelta(seconds=1))
    assert (await report(limited, kind, 3)).status_code == 202
    alerts = (await limited.detection.ListAlerts(pb.ListAlertsRequest(integration=kind))).alerts
    assert {alert.title for alert in alerts} == {"alert 0", "alert 1", "alert 3", "alert 4"}


async def test_a_flood_within_the_default_is_not_refused(platform):
    """A hundred and fifty alerts, each in a request of its own, on fifty connections; a slow machine must do it within their deadlines."""
    key = await platform.integration("webhook")
    gate = asyncio.Semaphore(50)

    async def one(number):
        async with gate:
            return (await platform.http.post(f"/webhook/{key}", json={"title": f"alert {number}"})).status_code

    assert set(await asyncio.gather(*(one(number) for number in range(150)))) == {202}
