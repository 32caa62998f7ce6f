"""What the tests of SMS and calls share."""

from channel_conformance import PUBLIC_URL

from tocsin_communication.channels.inbound import InboundRequest
from tocsin_communication.channels.twilio import TwilioAccount
from tocsin_testkit.outside.http import Callback
from tocsin_testkit.outside.twilio import FakeTwilio

ADDRESS = "+15551234567"


def account(server: FakeTwilio, **more: str) -> TwilioAccount:
    own = {"sms_from": "+15550000001"} if "messaging_service" not in more else {}
    return TwilioAccount("main", server.account, server.token, url=server.url, **{**own, **more})


def as_request(called: tuple[str, Callback], kind: str = "sms") -> InboundRequest:
    """What the edge passes on of a callback."""
    url, callback = called
    path, _, query = url.removeprefix(f"{PUBLIC_URL}/hooks/channels/{kind}").partition("?")
    return InboundRequest(callback.method, url, path, query, callback.headers, callback.body)
