"""A thousand people are asked at once while one provider of SMS is dead and the other one fails in every way."""

import asyncio
import json
import random
import statistics
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from google.protobuf.duration_pb2 import Duration
from tocsin.communication.v1 import communication_service_pb2 as communication_pb
from tocsin.communication.v1.page_pb2 import Configuration as CommunicationConfiguration
from tocsin.communication.v1.page_pb2 import ContactMethod
from tocsin.response.v1 import response_service_pb2 as response_pb
from tocsin.response.v1.escalation_pb2 import EscalationPolicy, EscalationStep, Target
from tocsin.response.v1.oncall_pb2 import Responder, Team
from tocsin.triage.v1 import triage_service_pb2 as triage_pb
from tocsin.triage.v1.catalogue_pb2 import Configuration as TriageConfiguration
from tocsin.triage.v1.catalogue_pb2 import Service

from tocsin_testkit.faults.audit import Verdict
from tocsin_testkit.installation import installation
from tocsin_testkit.measuring import percentile
from tocsin_testkit.outside.http import HttpRequest, HttpResponse, Plan, running
from tocsin_testkit.outside.twilio import FakeTwilio
from tocsin_testkit.scenario import Caller, alert
from tocsin_testkit.sender import Sender

MEMBERS = 50
# Of a hundred messages: refused for now; taken and never answered; taken and the line cut; taken.
STORM = [Plan.REFUSE_NOW] * 30 + [Plan.HANG] * 20 + [Plan.DROP] * 5 + [Plan.ACCEPT] * 45
# How a message says that it may have come before.
MARK = "may have had this before"
NOBODY_LISTENS = "http://127.0.0.1:1"
SENDER = "+15550000001"
# A page is tried ten times within a quarter of an hour.
PATIENCE_SECONDS = 900.0
# Whatever would come twice comes within this time.
ECHO_SECONDS = 20.0


class StormyTwilio(FakeTwilio):
    """Fails as the storm wants. `tried` and `taken`: when each number was first asked for and first taken, in monotonic seconds."""

    def __init__(self, seed: int) -> None:
        super().__init__(account="AC" + "2" * 32)
        self.tried: dict[str, float] = {}
        self.taken: dict[str, float] = {}
        self._chance = random.Random(seed)

    def planned(self) -> Plan:
        """What the message at hand meets."""
        return self._chance.choice(STORM)

    async def answer(self, request: HttpRequest) -> HttpResponse:
        """As Twilio does."""
        self.now = datetime.now(UTC)  # whoever looks for a message goes by when it was made
        asked = request.form.get("To", "") if request.method == "POST" else ""
        if asked:
            self.tried.setdefault(asked, time.monotonic())
        before = len(self.messages)
        answered = await super().answer(request)
        if len(self.messages) > before:
            self.taken.setdefault(asked, time.monotonic())
        return answered


async def provider_storm(short: bool, seed: int) -> Verdict:
    """The first account is dead; of the answers of the second 30 % are 503, 20 % never come, 5 % are cut off once it has the message."""
    crews = 4 if short else 20
    print(f"{crews * MEMBERS} people in {crews} teams are asked at once, the first provider is dead", flush=True)
    with tempfile.TemporaryDirectory(prefix="tocsin-faults-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        async with running(StormyTwilio(seed)) as twilio:
            accounts = folder / "twilio.json"
            accounts.write_text(json.dumps([_account("main", "1", NOBODY_LISTENS), _account("second", "2", twilio.url)]))
            with installation(environment={"TOCSIN_TWILIO_ACCOUNTS_FILE": str(accounts)}) as up:
                phones = _configure(Caller(up.connection), crews)
                target = up.connection["integrations"]["alertmanager"]
                sender = Sender(target["url"], target["key"])
                await sender.send(sender.prepare([alert(crew, "storm", crew) for crew in _names(crews)]))
                began = sender.sent.at[-1] / 1e9
                await sender.close()
                await _settle(twilio, len(phones))
                return _judged(twilio, phones, began)


def _account(name: str, digit: str, url: str) -> dict[str, str]:
    return {"name": name, "account_sid": "AC" + digit * 32, "auth_token": "tocsin-test-token", "sms_from": SENDER, "url": url}


def _names(crews: int) -> list[str]:
    return [f"crew-{number}" for number in range(crews)]


def _configure(caller: Caller, crews: int) -> dict[str, str]:
    """Every crew has a service, and all its members are asked at once, by SMS. Returns the phones by name."""
    members = {crew: [f"{crew}-{number}" for number in range(MEMBERS)] for crew in _names(crews)}
    everybody = [name for names in members.values() for name in names]
    phones = {name: f"+1555{number:07}" for number, name in enumerate(everybody, 1)}
    day = Duration(seconds=86400)
    response = response_pb.Configuration(
        responders=[Responder(name=name) for name in everybody],
        teams=[Team(name=crew, members=names) for crew, names in members.items()],
        escalation_policies=[
            EscalationPolicy(name=crew, steps=[EscalationStep(targets=[Target(team=crew)], delay=day)]) for crew in members
        ],
    )
    caller.call(caller.response.ApplyConfiguration, response_pb.ApplyConfigurationRequest(configuration=response))
    methods = [
        ContactMethod(name=f"{name}-sms", responder=name, kind=ContactMethod.KIND_SMS, address=phone) for name, phone in phones.items()
    ]
    communication = CommunicationConfiguration(contact_methods=methods)
    caller.call(caller.communication.ApplyConfiguration, communication_pb.ApplyConfigurationRequest(configuration=communication))
    triage = TriageConfiguration(services=[Service(name=crew, escalation_policy=crew, group_by=["group"]) for crew in members])
    caller.call(caller.triage.ApplyConfiguration, triage_pb.ApplyConfigurationRequest(configuration=triage))
    return phones


async def _settle(twilio: StormyTwilio, people: int) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while len(twilio.taken) < people and time.monotonic() < until:
        await asyncio.sleep(0.2)
    await asyncio.sleep(ECHO_SECONDS)


def _judged(twilio: StormyTwilio, phones: dict[str, str], began: float) -> Verdict:
    """By the provider's ledger: everybody has a message, and every further one says that it may have come before."""
    came = Counter(message.to for message in twilio.messages)
    unmarked = Counter(message.to for message in twilio.messages if MARK not in message.body)
    tried = [at - began for at in twilio.tried.values()] or [0.0]
    taken = [at - began for at in twilio.taken.values()] or [0.0]
    doubled = sum(count - 1 for count in came.values())
    return Verdict(
        lost=[f"{name} got no message" for name, phone in phones.items() if not came[phone]],
        doubled=[f"{name} got {unmarked[phone]} messages without a mark" for name, phone in phones.items() if unmarked[phone] > 1],
        resent=len(twilio.messages) - unmarked.total(),
        wrong_end=[],
        late_seconds=max(taken),
        figures=(
            f"the second provider was asked for each: p50 {statistics.median(tried):.1f} s, p99 {percentile(tried, 99):.1f} s, "
            f"max {max(tried):.1f} s after the accepted alert; it had taken it: p50 {statistics.median(taken):.1f} s, "
            f"p99 {percentile(taken, 99):.1f} s",
            f"{doubled} messages came again",
        ),
    )
