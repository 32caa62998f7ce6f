"""The settings of communication."""

from dataclasses import dataclass

from tocsin_chassis.settings import ServiceSettings, setting
from tocsin_communication.channels.apprise import AppriseSettings
from tocsin_communication.channels.discord import DiscordSettings
from tocsin_communication.channels.email import EmailSettings
from tocsin_communication.channels.mattermost import MattermostSettings
from tocsin_communication.channels.ntfy import NtfySettings
from tocsin_communication.channels.slack import SlackSettings
from tocsin_communication.channels.sms import SmsSettings
from tocsin_communication.channels.teams import TeamsSettings
from tocsin_communication.channels.telegram import TelegramSettings
from tocsin_communication.channels.web_push import WebPushSettings
from tocsin_communication.channels.webhook import WebhookSettings


@dataclass(frozen=True, kw_only=True)
class CommunicationSettings(
    AppriseSettings,
    WebPushSettings,
    DiscordSettings,
    MattermostSettings,
    NtfySettings,
    TeamsSettings,
    TelegramSettings,
    SmsSettings,
    SlackSettings,
    WebhookSettings,
    EmailSettings,
    ServiceSettings,
):
    """What communication needs beside what every service needs; each kind of channel brings its own part."""

    triage_address: str = setting("TOCSIN_TRIAGE_ADDRESS", "host:port of triage, where replies acknowledge incidents")
    public_url: str = setting(
        "TOCSIN_PUBLIC_URL", "what links in pages begin with, as responders reach the platform: https://tocsin.example.org"
    )
