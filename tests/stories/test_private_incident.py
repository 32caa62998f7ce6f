"""A private incident, asked for through the one door that everybody uses: its members see it in every service, others in none."""

from datetime import timedelta
from uuid import uuid4

import pytest

MINUTE = timedelta(minutes=1)
EDGE = "tocsin.edge.v1.EdgeService"
TRIAGE = "tocsin.triage.v1.TriageService"
# Whatever can be asked about one incident, by whoever may read.
READS = (
    (TRIAGE, "GetIncident"),
    ("tocsin.response.v1.ResponseService", "ListEscalations"),
    ("tocsin.response.v1.CommandService", "GetCommand"),
    ("tocsin.communication.v1.CommunicationService", "ListPages"),
    ("tocsin.review.v1.ReviewService", "GetTimeline"),
    (EDGE, "GetTrace"),
)
ADMIN_KEY = f"tocsin_0badcafe.{'k' * 43}"


class Door:
    """The public door, as somebody who has signed in."""

    def __init__(self, platform, secret):
        self._http, self._headers = platform.http, {"authorization": f"Bearer {secret}"}

    async def ask(self, of, rpc, **request):
        return await self._http.post(f"/{of}/{rpc}", json=request, headers=self._headers)

    async def about(self, of, rpc, incident_id):
        return (await self.ask(of, rpc, incidentId=incident_id)).status_code


@pytest.fixture
async def people(platform):
    """Who has signed in, by name."""
    root = Door(platform, ADMIN_KEY)

    async def sign_in(name, role):
        link = (await root.ask(EDGE, "CreateSignInLink", account=name, role=role)).json()["url"]
        answer = (await root.ask(EDGE, "SignIn", token=link.partition("#")[2])).json()
        return Door(platform, answer["sessionToken"])

    await platform.responders("alice", "bob", "mallory")
    await platform.policy("checkout-policy", [("bob", 5 * MINUTE)])
    await platform.service("checkout", "checkout-policy")
    return {"root": root, **{name: await sign_in(name, "ROLE_RESPONDER") for name in ("alice", "bob", "mallory")}}


async def test_only_its_members_meet_a_private_incident_anywhere(platform, people):
    alice, bob, mallory, root = (people[name] for name in ("alice", "bob", "mallory", "root"))
    said = {"requestId": str(uuid4()), "title": "somebody got in", "service": "checkout", "severity": "SEVERITY_SEV1", "private": True}
    incident = (await alice.ask(TRIAGE, "DeclareIncident", **said)).json()["incident"]
    # Bob is summoned, and by that becomes a member.
    await platform.expect_page("bob", about="somebody got in")
    for service, method in READS:

        async def told(service=service, method=method):
            return [await door.about(service, method, incident["id"]) for door in (alice, bob)] == [200, 200]

        await platform.world.eventually(told, what=f"{method} for its members")
        assert await mallory.about(service, method, incident["id"]) == 404, method
        assert await root.about(service, method, incident["id"]) == 200, method
    for service, method, items in (
        (TRIAGE, "ListIncidents", "incidents"),
        ("tocsin.communication.v1.CommunicationService", "ListPages", "pages"),
        ("tocsin.response.v1.CommandService", "ListTasks", "tasks"),
    ):
        answers = {name: (await door.ask(service, method)).json().get(items, []) for name, door in people.items()}
        assert answers["mallory"] == answers["root"] == [], method
        assert answers["bob"] or method == "ListTasks", method
    figures = [(await door.ask("tocsin.review.v1.ReviewService", "GetFigures")).json() for door in (mallory, bob)]
    assert [each.get("total", {}).get("incidents", 0) for each in figures] == [0, 1]
    refused = await mallory.ask(TRIAGE, "AcknowledgeIncident", requestId=str(uuid4()), incidentId=incident["id"])
    assert refused.status_code == 404
    # What an administrator opened, who is no member, is in the audit log.
    entries = (await root.ask(EDGE, "ListAuditEntries", pageSize=100)).json()["entries"]
    opened = {entry["method"].rpartition("/")[2] for entry in entries if entry["outcome"] == f"OPENED_PRIVATE_INCIDENT {incident['id']}"}
    assert opened == {method for _, method in READS}
    assert {entry["caller"] for entry in entries if entry["outcome"].startswith("OPENED")} == {entries[-1]["caller"]}
