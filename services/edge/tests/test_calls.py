"""Calls by gRPC and by Connect: who may, what comes back, what is written down."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path

import grpc
import pytest
from edge_harness import ADMIN_KEY, MANAGER, RESPONDER, VIEWER, Edge, bearer, running_edge
from google.rpc import error_details_pb2, status_pb2
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from tocsin.detection.v1 import detection_service_pb2, detection_service_pb2_grpc
from tocsin.edge.v1 import edge_service_pb2 as pb
from tocsin.edge.v1.events_pb2 import ConfigurationChanged
from tocsin.response.v1 import response_service_pb2, response_service_pb2_grpc
from tocsin.triage.v1 import triage_service_pb2, triage_service_pb2_grpc
from tocsin.triage.v1.events_pb2 import IncidentOpened
from tocsin.triage.v1.incident_pb2 import Incident

from tocsin_edge.live import Feed, Listener
from tocsin_edge.ring import Ring
from tocsin_testkit.world import World

TRIAGE = triage_service_pb2_grpc.TriageServiceStub
INCIDENT = "01890000-0000-7000-8000-000000000001"


def reason(error: aio.AioRpcError) -> str:
    details = dict(error.trailing_metadata() or ())["grpc-status-details-bin"]
    info = error_details_pb2.ErrorInfo()
    status_pb2.Status.FromString(details).details[0].Unpack(info)
    return info.reason


async def test_a_call_is_passed_on_in_the_callers_name(door: Edge) -> None:
    session = await door.sign_in("alice", VIEWER)
    answer = await door.service(TRIAGE).ListIncidents(triage_service_pb2.ListIncidentsRequest(), metadata=bearer(session))
    assert answer.next_page_token == "there-is-more"
    assert [(caller.name, caller.role, caller.service) for caller in door.behind.callers] == [("alice", VIEWER, "")]


async def test_a_refusal_arrives_as_the_service_said_it(door: Edge) -> None:
    with pytest.raises(aio.AioRpcError) as refused:
        await door.service(TRIAGE).GetIncident(triage_service_pb2.GetIncidentRequest(incident_id=INCIDENT), metadata=bearer(ADMIN_KEY))
    assert refused.value.code() is grpc.StatusCode.NOT_FOUND
    assert reason(refused.value) == "INCIDENT_NOT_FOUND"


@pytest.mark.parametrize(("secret", "why"), [("", "NOT_SIGNED_IN"), ("tocsin_00000000.wrong-wrong-wrong-wrong", "CREDENTIAL_INVALID")])
async def test_strangers_are_refused(door: Edge, secret: str, why: str) -> None:
    with pytest.raises(aio.AioRpcError) as refused:
        await door.service(TRIAGE).ListIncidents(triage_service_pb2.ListIncidentsRequest(), metadata=bearer(secret) if secret else ())
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert reason(refused.value) == why


async def test_a_method_for_services_only_is_refused_before_it_is_passed_on(door: Edge) -> None:
    detection = door.service(detection_service_pb2_grpc.DetectionServiceStub)
    request = detection_service_pb2.SubmitReportRequest(integration_key="right", kind="webhook", method="POST")
    with pytest.raises(aio.AioRpcError) as refused:
        await detection.SubmitReport(request, metadata=bearer(ADMIN_KEY))
    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert door.behind.reports == []


async def test_a_service_that_is_down_is_unavailable_without_its_address(door: Edge) -> None:
    response = door.service(response_service_pb2_grpc.ResponseServiceStub)
    with pytest.raises(aio.AioRpcError) as refused:
        await response.GetOncall(response_service_pb2.GetOncallRequest(), metadata=bearer(ADMIN_KEY))
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    assert refused.value.details() == "response does not answer; try again"


async def test_a_role_that_is_too_low_is_refused_and_written_down(door: Edge) -> None:
    session = await door.sign_in("bob", RESPONDER)
    with pytest.raises(aio.AioRpcError) as refused:
        await door.service().CreateApiKey(pb.CreateApiKeyRequest(api_key=pb.ApiKey(name="mine", role=MANAGER)), metadata=bearer(session))
    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
    written = await door.service().ListAuditEntries(pb.ListAuditEntriesRequest(), metadata=bearer(ADMIN_KEY))
    assert (written.entries[0].caller, written.entries[0].outcome) == ("bob", "PERMISSION_DENIED")
    assert [entry.caller for entry in written.entries if entry.method.endswith("/SignIn")] == ["bob"]


async def test_what_somebody_does_is_written_down_before_it_is_done(door: Edge) -> None:
    """Whatever dies in between: what was tried stands there."""

    async def outcomes() -> list[str]:
        written = await door.service().ListAuditEntries(pb.ListAuditEntriesRequest(), metadata=bearer(ADMIN_KEY))
        return [entry.outcome for entry in written.entries if entry.method.endswith("/ResolveIncident")]

    door.behind.may_answer = asyncio.Event()
    request = triage_service_pb2.ResolveIncidentRequest(request_id="r1", incident_id=INCIDENT)
    call = asyncio.create_task(_resolve(door, request))
    await asyncio.wait_for(door.behind.asked.wait(), 30)
    assert await outcomes() == ["STARTED"]
    door.behind.may_answer.set()
    await call
    assert await outcomes() == ["OK"]


async def _resolve(door: Edge, request: triage_service_pb2.ResolveIncidentRequest) -> None:
    await door.service(TRIAGE).ResolveIncident(request, metadata=bearer(ADMIN_KEY))


async def test_a_key_works_until_it_is_revoked_and_only_within_its_time(door: Edge) -> None:
    until = door.world.clock.now() + timedelta(hours=1)
    wanted = pb.ApiKey(name="monitor", role=VIEWER)
    wanted.expires_at.FromDatetime(until)
    made = await door.service().CreateApiKey(pb.CreateApiKeyRequest(api_key=wanted), metadata=bearer(ADMIN_KEY))
    whoami = await door.service().GetCaller(pb.GetCallerRequest(), metadata=bearer(made.secret))
    assert (whoami.caller.name, whoami.caller.api_key) == ("monitor", True)
    listed = await door.service().ListApiKeys(pb.ListApiKeysRequest(), metadata=bearer(ADMIN_KEY))
    assert [key.name for key in listed.api_keys] == ["admin", "monitor"]
    assert listed.api_keys[1].HasField("last_used_at")
    with pytest.raises(aio.AioRpcError) as taken:
        await door.service().CreateApiKey(pb.CreateApiKeyRequest(api_key=wanted), metadata=bearer(ADMIN_KEY))
    assert reason(taken.value) == "API_KEY_EXISTS"
    door.world.clock.forward(timedelta(hours=1))
    with pytest.raises(aio.AioRpcError) as over:
        await door.service().GetCaller(pb.GetCallerRequest(), metadata=bearer(made.secret))
    assert reason(over.value) == "CREDENTIAL_INVALID"
    await door.service().RevokeApiKey(pb.RevokeApiKeyRequest(name="admin"), metadata=bearer(ADMIN_KEY))
    with pytest.raises(aio.AioRpcError):
        await door.service().GetCaller(pb.GetCallerRequest(), metadata=bearer(ADMIN_KEY))


async def test_a_sign_in_link_works_once_and_the_cookie_only_on_our_own_pages(door: Edge) -> None:
    link = await door.service().CreateSignInLink(pb.CreateSignInLinkRequest(account="carol"), metadata=bearer(ADMIN_KEY))
    token = link.url.partition("#")[2]
    url = "/tocsin.edge.v1.EdgeService/"
    signed_in = await door.http.post(f"{url}SignIn", json={"token": token})
    assert signed_in.status_code == 200
    assert "HttpOnly" in signed_in.headers["set-cookie"]
    again = await door.http.post(f"{url}SignIn", json={"token": token})
    assert (again.status_code, again.json()["code"]) == (401, "unauthenticated")
    assert again.json()["details"][0]["type"] == "google.rpc.ErrorInfo"
    mine = await door.http.post(f"{url}GetCaller", json={})
    assert mine.json()["caller"] == {"name": "carol", "role": "ROLE_RESPONDER"}
    foreign = await door.http.post(f"{url}GetCaller", json={}, headers={"origin": "https://evil.example"})
    assert foreign.status_code == 403
    cookie = mine.request.headers["cookie"]
    await door.http.post(f"{url}SignOut", json={})
    assert (await door.http.post(f"{url}GetCaller", json={}, headers={"cookie": cookie})).status_code == 401


async def test_connect_reaches_every_service_with_details(door: Edge) -> None:
    headers = {"authorization": f"Bearer {ADMIN_KEY}"}
    found = await door.http.post("/tocsin.triage.v1.TriageService/ListIncidents", json={}, headers=headers)
    assert found.json() == {"nextPageToken": "there-is-more"}
    missing = await door.http.post("/tocsin.triage.v1.TriageService/GetIncident", json={"incidentId": INCIDENT}, headers=headers)
    assert (missing.status_code, missing.json()["message"]) == (404, f"there is no incident {INCIDENT}")
    wrong = await door.http.post("/tocsin.edge.v1.EdgeService/GetTrace", json={"incidentId": "no-uuid"}, headers=headers)
    assert (wrong.status_code, wrong.json()["code"]) == (400, "invalid_argument")


async def test_a_change_of_configuration_is_told_and_written_down(door: Edge) -> None:
    request = triage_service_pb2.ApplyConfigurationRequest(configuration={}, dry_run=True)
    await door.service(TRIAGE).ApplyConfiguration(request, metadata=bearer(ADMIN_KEY))
    request.dry_run = False
    await door.service(TRIAGE).ApplyConfiguration(request, metadata=bearer(ADMIN_KEY))
    facts = await door.world.facts(ConfigurationChanged)
    assert [(fact.service, fact.changed_by) for fact in facts] == [("triage", "admin")]
    first = await door.service().ListAuditEntries(pb.ListAuditEntriesRequest(page_size=1), metadata=bearer(ADMIN_KEY))
    rest = await door.service().ListAuditEntries(pb.ListAuditEntriesRequest(page_token=first.next_page_token), metadata=bearer(ADMIN_KEY))
    entries = [*first.entries, *rest.entries]
    assert [(entry.caller, entry.method.rpartition("/")[2], entry.outcome) for entry in entries] == [
        ("admin", "ApplyConfiguration", "OK")
    ] * 2


async def test_health_names_what_is_down_and_how_to_mend_it(door: Edge) -> None:
    health = await door.service().GetHealth(pb.GetHealthRequest(), metadata=bearer(ADMIN_KEY))
    parts = {part.name: part for part in health.components}
    assert not health.healthy
    assert parts["triage"].healthy and parts["postgres"].healthy and parts["nats"].healthy
    assert not parts["review"].healthy and "tocsin-review" in parts["review"].remedy
    own = health_pb2_grpc.HealthStub(door.channel)

    async def serving() -> bool:
        answer = await own.Check(health_pb2.HealthCheckRequest(service="tocsin.triage.v1.TriageService"))
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    await door.world.eventually(serving)
    assert (await door.http.get("/readyz")).status_code == 200


async def test_reflection_is_for_those_who_are_signed_in(door: Edge) -> None:
    reflection = reflection_pb2_grpc.ServerReflectionStub(door.channel)
    question = reflection_pb2.ServerReflectionRequest(list_services="")
    answers = [answer async for answer in reflection.ServerReflectionInfo(iter([question]), metadata=bearer(ADMIN_KEY))]
    assert "tocsin.review.v1.ReviewService" in {service.name for service in answers[0].list_services_response.service}
    with pytest.raises(aio.AioRpcError) as refused:
        _ = [answer async for answer in reflection.ServerReflectionInfo(iter([question]))]
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_what_happens_is_told_as_it_happens(door: Edge) -> None:
    watch = door.service().Watch(pb.WatchRequest(), metadata=bearer(ADMIN_KEY))
    first = await watch.read()
    assert (first.fact, first.resync) == ("", False)

    async def heard() -> pb.WatchResponse:
        # Until the listener hears the stream nothing that is published reaches the ring: publish until one does.
        reading = asyncio.ensure_future(watch.read())
        while not reading.done():
            await door.world.publish(IncidentOpened(), INCIDENT)
            await asyncio.wait([reading], timeout=0.1)
        return await reading

    message = await asyncio.wait_for(heard(), 10)
    assert (message.fact, message.source, message.incident_id, message.seq) == ("IncidentOpened", "triage", INCIDENT, first.seq + 1)
    watch.cancel()
    again = door.service().Watch(pb.WatchRequest(after_seq=first.seq, epoch=first.epoch), metadata=bearer(ADMIN_KEY))
    assert [(await again.read()).fact, (await again.read()).fact] == ["", "IncidentOpened"]
    stale = door.service().Watch(pb.WatchRequest(after_seq=1, epoch="another"), metadata=bearer(ADMIN_KEY))
    assert (await stale.read()).resync


async def test_a_broken_listener_goes_on_where_it_was(door: Edge) -> None:
    feed = Feed(Ring("epoch"))
    listener = Listener(door.app.bus, "triage", feed, silence=0.5)
    hearing = asyncio.create_task(listener.run())
    beats = feed.watch(b"me", 0, "", still_admitted=door.http.aclose)
    await anext(beats)

    async def consumers() -> set[str]:
        return {info.name for info in await door.world.jetstream.consumers_info("TRIAGE")}

    async def two() -> bool:
        return len(await consumers()) >= 2

    try:
        await door.world.eventually(two)
        await door.world.publish(IncidentOpened(), INCIDENT)
        assert (await asyncio.wait_for(anext(beats), 5)).seq == 1
        for name in await consumers():
            await door.world.jetstream.delete_consumer("TRIAGE", name)
        for _ in range(3):
            await door.world.publish(IncidentOpened(), INCIDENT)
        told = [await asyncio.wait_for(anext(beats), 10) for _ in range(3)]
        assert [beat.seq for beat in told] == [2, 3, 4] and not any(beat.resync for beat in told)
    finally:
        hearing.cancel()
        await asyncio.gather(hearing, return_exceptions=True)


async def test_a_session_watches_three_times_at_most(door: Edge) -> None:
    watches = [door.service().Watch(pb.WatchRequest(), metadata=bearer(ADMIN_KEY)) for _ in range(3)]
    for watch in watches:
        await watch.read()
    with pytest.raises(aio.AioRpcError) as refused:
        await door.service().Watch(pb.WatchRequest(), metadata=bearer(ADMIN_KEY)).read()
    assert (refused.value.code(), reason(refused.value)) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_STREAMS")
    watches[0].cancel()

    async def admitted() -> bool:
        try:
            return (await door.service().Watch(pb.WatchRequest(), metadata=bearer(ADMIN_KEY)).read()).epoch != ""
        except aio.AioRpcError:
            return False

    await door.world.eventually(admitted)


async def test_stopping_does_not_wait_for_watchers(world: World, tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    async with running_edge(world, tmp_path) as door:
        watch = door.service().Watch(pb.WatchRequest(), metadata=bearer(ADMIN_KEY))
        await watch.read()
        headers = {"authorization": f"Bearer {ADMIN_KEY}", "content-type": "application/connect+json"}
        question = json.dumps({}).encode()
        async with door.http.stream(
            "POST", "/tocsin.edge.v1.EdgeService/Watch", headers=headers, content=b"\0" + len(question).to_bytes(4, "big") + question
        ) as browser:
            assert b'"epoch"' in await anext(browser.aiter_raw())
            began = loop.time()
            await door.app._server.stop(5.0)  # type: ignore[union-attr]
            assert loop.time() - began < 3
            with pytest.raises(aio.AioRpcError) as sent_away:
                await watch.read()
            assert sent_away.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_caller_that_gives_up_cancels_what_it_asked_for(door: Edge) -> None:
    call = door.service(TRIAGE).ListServices(triage_service_pb2.ListServicesRequest(), metadata=bearer(ADMIN_KEY), timeout=30)
    await door.world.eventually(lambda: asyncio.wait_for(door.behind.asked.wait(), 5))
    call.cancel()
    await asyncio.wait_for(door.behind.given_up.wait(), 5)


async def test_the_callers_deadline_holds_behind_the_door_too(door: Edge) -> None:
    with pytest.raises(aio.AioRpcError) as late:
        await door.service(TRIAGE).ListServices(triage_service_pb2.ListServicesRequest(), metadata=bearer(ADMIN_KEY), timeout=0.5)
    assert late.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await asyncio.wait_for(door.behind.given_up.wait(), 5)


async def test_nobody_but_its_members_watches_what_happens_to_a_private_incident(door: Edge) -> None:
    mallory = await door.sign_in("mallory", MANAGER)
    alice = await door.sign_in("alice", VIEWER)
    watches = {
        name: door.service().Watch(pb.WatchRequest(), metadata=bearer(secret)) for name, secret in (("mallory", mallory), ("alice", alice))
    }
    for watch in watches.values():
        assert (await watch.read()).fact == ""
    hidden, known = "0199f0a0-0000-7000-8000-0000000000aa", "0199f0a0-0000-7000-8000-0000000000bb"
    await door.world.publish(IncidentOpened(incident=Incident(id=hidden, private=True, members=["alice"], version=1)), hidden)
    await door.world.publish(IncidentOpened(incident=Incident(id=known, version=1)), known)
    heard: dict[str, list[str]] = {name: [] for name in watches}
    for name, watch in watches.items():
        while known not in heard[name]:
            beat = await watch.read()
            heard[name] += [beat.incident_id] if beat.incident_id else []
        watch.cancel()
    assert heard == {"mallory": [known], "alice": [hidden, known]}
    with pytest.raises(aio.AioRpcError) as refused:
        await door.service().GetTrace(pb.GetTraceRequest(incident_id=hidden), metadata=bearer(mallory))
    assert refused.value.code() == grpc.StatusCode.NOT_FOUND
    await door.service().GetTrace(pb.GetTraceRequest(incident_id=hidden), metadata=bearer(ADMIN_KEY))
    entries = (await door.service().ListAuditEntries(pb.ListAuditEntriesRequest(), metadata=bearer(ADMIN_KEY))).entries
    assert [entry.outcome for entry in entries if "OPENED" in entry.outcome] == [f"OPENED_PRIVATE_INCIDENT {hidden}"]
