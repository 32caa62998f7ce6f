"""The settings of communication."""

from dataclasses import dataclass
from pathlib import Path

from tocsin_chassis.settings import Secret, ServiceSettings, setting


@dataclass(frozen=True, kw_only=True)
class CommunicationSettings(ServiceSettings):
    """What communication needs beside what every service needs."""

    triage_address: str = setting("TOCSIN_TRIAGE_ADDRESS", "host:port of triage, where replies acknowledge incidents")
    public_url: str = setting(
        "TOCSIN_PUBLIC_URL", "what links in pages begin with, as responders reach the platform: https://tocsin.example.org"
    )
    smtp_url: Secret = setting(
        "TOCSIN_SMTP_URL",
        "smtp://[user:password@]host:port[?starttls=always|never|auto] or smtps://…; empty: e-mail is off and its pages fail",
        default=Secret(""),
    )
    email_from: str = setting("TOCSIN_EMAIL_FROM", "the mailbox that pages come from", default="tocsin@localhost")
    webhook_secret_file: Path | None = setting(
        "TOCSIN_WEBHOOK_SECRET_FILE",
        "file with the Standard Webhooks secret (whsec_…); empty: webhooks are off and their pages fail",
        default=None,
    )
    webhook_allow_private: bool = setting(
        "TOCSIN_WEBHOOK_ALLOW_PRIVATE", "true lets webhooks go to private and loopback addresses", default=False
    )
