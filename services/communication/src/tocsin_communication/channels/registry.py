"""Every kind of channel there is. Adding one: a module with KIND, a line here, and its test of the conformance suite."""

from tocsin_communication.channels import apprise, discord, email, mattermost, ntfy, slack, sms, teams, telegram, voice, web_push, webhook
from tocsin_communication.channels.channel import ChannelKind
from tocsin_communication.contacts.contact import Channel

KINDS: tuple[ChannelKind, ...] = (
    email.KIND,
    webhook.KIND,
    slack.KIND,
    sms.KIND,
    voice.KIND,
    telegram.KIND,
    teams.KIND,
    ntfy.KIND,
    mattermost.KIND,
    discord.KIND,
    web_push.KIND,
    apprise.KIND,
)

_BY_CHANNEL = {kind.channel: kind for kind in KINDS}


def kind_of(channel: Channel) -> ChannelKind | None:
    """The kind of a channel; None for one that this installation does not have."""
    return _BY_CHANNEL.get(channel)


def flaw(channel: Channel, address: str) -> str:
    """What is wrong with an address; empty if nothing is."""
    kind = kind_of(channel)
    return f"cannot be used: this version has no {channel.value.lower()} channel" if kind is None else kind.flaw(address)
