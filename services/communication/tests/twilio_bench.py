"""What the tests of SMS and calls share."""

from channel_conformance import PUBLIC_URL
from hypothesis import strategies as st

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


NAMES = ("MessageSid", "MessageStatus", "ErrorCode", "From", "To", "Body", "OptOutType", "CallSid", "CallStatus", "Digits", "AnsweredBy")
VALUES = ("delivered", "undelivered", "failed", "busy", "STOP", "YES", "human", "machine_start", "1", "2", "²", "99999999999999999999")
FORMS = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(VALUES) | st.text(max_size=30), max_size=8)
