"""Communication and triage, running, and the outside world: what the tests of pages share."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from tocsin.access.v1.access_pb2 import Role
from tocsin.communication.v1 import communication_service_pb2 as pb
from tocsin.communication.v1.communication_service_pb2_grpc import CommunicationServiceStub
from tocsin.communication.v1.contact_service_pb2_grpc import ContactServiceStub
from tocsin.communication.v1.page_pb2 import Configuration, ContactMethod, Page
from tocsin.communication.v1.paging_service_pb2_grpc import PagingServiceStub
from tocsin.response.v1.escalation_pb2 import Summons
from tocsin.response.v1.events_pb2 import ResponderSummoned
from tocsin.triage.v1 import triage_service_pb2 as triage_pb
from tocsin.triage.v1.incident_pb2 import Incident
from tocsin.triage.v1.triage_service_pb2_grpc import TriageServiceStub

from tocsin_chassis.grpc.caller import Caller
from tocsin_communication.app import communication
from tocsin_communication.settings import CommunicationSettings
from tocsin_kernel.ids import uuid7
from tocsin_testkit.outside.http import running
from tocsin_testkit.outside.telegram import FakeTelegram
from tocsin_testkit.outside.twilio import FakeTwilio
from tocsin_triage.app import triage
from tocsin_triage.settings import TriageSettings

PUBLIC_URL = "https://tocsin.example.test"

MANAGER = Caller("maria", Role.ROLE_MANAGER)
ADMIN = Caller("ada", Role.ROLE_ADMIN)
EDGE = Caller("edge", service="edge")


class House:
    """Communication and triage, running, and the outside world."""

    def __init__(self, world: Any, app: Any, triage_app: Any, mail_server: Any, web_server: Any, twilio: Any, telegram: Any) -> None:
        self.world = world
        self.app = app
        self.twilio: list[FakeTwilio] = twilio
        self.telegram: FakeTelegram = telegram
        self.paging = world.stub(PagingServiceStub, app, ADMIN)
        self.contacts = world.stub(ContactServiceStub, app, MANAGER)
        self.mails = mail_server.mails
        self.mail_server = mail_server
        self.web_server = web_server
        self.api = world.stub(CommunicationServiceStub, app, MANAGER)
        self.as_seen_by = lambda caller: world.stub(CommunicationServiceStub, app, caller)
        self.edge = world.stub(CommunicationServiceStub, app, EDGE)
        self.triage = world.stub(TriageServiceStub, triage_app, MANAGER)
        self.number = 0

    async def reachable(self, *methods: ContactMethod, **more: Any) -> None:
        """Configure contact methods, and whatever else."""
        await self.api.ApplyConfiguration(pb.ApplyConfigurationRequest(configuration=Configuration(contact_methods=methods, **more)))

    async def called(self, kind: str, called: tuple[str, Any] | Any, path: str = "") -> pb.ReceiveInboundResponse:
        """A provider calls back, as the edge passes it on."""
        url, callback = called if isinstance(called, tuple) else (f"{PUBLIC_URL}/hooks/channels/{kind}{path}", called)
        below, _, query = url.removeprefix(f"{PUBLIC_URL}/hooks/channels/{kind}").partition("?")
        request = pb.ReceiveInboundRequest(
            kind=kind, method=callback.method, path=below, query=query, headers=callback.headers, body=callback.body
        )
        return await self.edge.ReceiveInbound(request)

    async def declare(self, title: str = "Checkout fails", **more: Any) -> Incident:
        """Somebody declares an incident at triage."""
        self.number += 1
        request = triage_pb.DeclareIncidentRequest(request_id=f"d{self.number}", title=title, **more)
        return (await self.triage.DeclareIncident(request)).incident

    def incident(self, state: int = Incident.STATE_OPEN, version: int = 1, **fields: Any) -> Incident:
        """An incident as triage would tell of it."""
        return Incident(
            **{"id": "0199f0a0-0000-7000-8000-00000000000a", "number": 7, "title": "Checkout fails", **fields},
            state=state,
            version=version,
            severity=2,
            service="checkout",
            opened_at=self._instant(),
        )

    def _instant(self) -> Timestamp:
        made = Timestamp()
        made.FromDatetime(self.world.clock.now())
        return made

    async def summon(self, responder: str, incident: Incident, **more: Any) -> None:
        """Response summons somebody."""
        said = {"reason": "STEP_STARTED", "explanation": "step 1: on call", **more}
        summons = Summons(id=str(uuid7()), responder=responder, at=self._instant(), **said)
        await self.world.publish(ResponderSummoned(summons=summons, incident=incident), incident.id)

    async def pages(self, **wanted: Any) -> list[Page]:
        """Pages with these fields, newest first."""
        found = (await self.api.ListPages(pb.ListPagesRequest(page_size=500))).pages
        return [page for page in found if all(getattr(page, name) == value for name, value in wanted.items())]

    async def expect(self, count: int = 1, **wanted: Any) -> list[Page]:
        """Wait for so many pages with these fields."""
        found: list[Page] = []

        async def there() -> bool:
            found[:] = await self.pages(**wanted)
            return len(found) >= count

        await self.world.eventually(there, 8.0, f"{count} pages with {wanted}")
        assert len(found) == count
        return found


def email(name: str, **more: Any) -> ContactMethod:
    return ContactMethod(name=f"{name}-mail", responder=name, kind=ContactMethod.KIND_EMAIL, address=f"{name}@example.test", **more)


def hook(name: str, url: str) -> ContactMethod:
    return ContactMethod(name=f"{name}-hook", responder=name, kind=ContactMethod.KIND_WEBHOOK, address=url)


@asynccontextmanager
async def running_house(world: Any, mail_server: Any, web_server: Any, folder: Path, *, dead: bool = False) -> AsyncIterator[House]:
    """Two Twilio accounts, a Telegram bot, a mail server and a web server outside; communication and triage inside. The
    first Twilio account may be `dead`: nobody listens there."""
    (folder / "secret").write_text("whsec_dG9jc2luLXdlYmhvb2stc2VjcmV0LTI0")
    async with AsyncExitStack() as stack:
        twilio = [await stack.enter_async_context(running(FakeTwilio(world.clock.now(), account="AC" + digit * 32))) for digit in "12"]
        telegram = await stack.enter_async_context(running(FakeTelegram()))
        (folder / "telegram").write_text(telegram.token)
        accounts = [
            {
                "name": name,
                "account_sid": server.account,
                "auth_token": server.token,
                "sms_from": "+15550000001",
                "voice_from": "+15550000001",
                "url": "http://127.0.0.1:1" if dead and name == "main" else server.url,
            }
            for name, server in zip(("main", "second"), twilio, strict=True)
        ]
        (folder / "twilio.json").write_text(json.dumps(accounts))
        triage_settings = world.settings("triage", TriageSettings)
        triage_app = await stack.enter_async_context(world.running(triage(triage_settings, clock=world.clock)))
        settings = world.settings(
            "communication",
            CommunicationSettings,
            smtp_url=mail_server.url,
            email_from="tocsin@example.test",
            public_url=PUBLIC_URL,
            webhook_secret_file=folder / "secret",
            webhook_allow_private=True,
            twilio_accounts_file=folder / "twilio.json",
            telegram_token_file=folder / "telegram",
            telegram_url=telegram.url,
            triage_address=f"127.0.0.1:{triage_app.port}",
        )
        app = await stack.enter_async_context(world.running(communication(settings, clock=world.clock)))
        yield House(world, app, triage_app, mail_server, web_server, twilio, telegram)


def link_of(mail: Any) -> str:
    """The secret of the link in a mail."""
    text: str = mail.get_body(("plain",)).get_content()
    return next(word for word in text.split() if "/a/" in word).rpartition("/")[2]
