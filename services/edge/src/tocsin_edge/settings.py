"""Settings of the edge."""

from dataclasses import dataclass
from pathlib import Path

from tocsin_chassis.settings import ServiceSettings, setting


@dataclass(frozen=True, kw_only=True)
class EdgeSettings(ServiceSettings):
    """What the edge needs beside what every service needs. `TOCSIN_GRPC_LISTEN` is the public gRPC address."""

    http_listen: str = setting(
        "TOCSIN_HTTP_LISTEN", "host:port of console, webhooks and Connect; port 0 takes a free one", default="127.0.0.1:8080"
    )
    public_url: str = setting(
        "TOCSIN_PUBLIC_URL", "the address that people open, without a slash at its end", default="http://127.0.0.1:8080"
    )
    detection_address: str = setting("TOCSIN_DETECTION_ADDRESS", "host:port of detection's gRPC server")
    triage_address: str = setting("TOCSIN_TRIAGE_ADDRESS", "host:port of triage's gRPC server")
    response_address: str = setting("TOCSIN_RESPONSE_ADDRESS", "host:port of response's gRPC server")
    communication_address: str = setting("TOCSIN_COMMUNICATION_ADDRESS", "host:port of communication's gRPC server")
    review_address: str = setting("TOCSIN_REVIEW_ADDRESS", "host:port of review's gRPC server")
    bootstrap_api_key_file: Path | None = setting(
        "TOCSIN_BOOTSTRAP_API_KEY_FILE", "file with the first administrator's API key, registered as key `admin`; empty: none", default=None
    )
    span_key_file: Path | None = setting(
        "TOCSIN_SPAN_KEY_FILE", "file with the bearer secret of the span receiver /v1/traces; empty: spans are kept elsewhere", default=None
    )
    spans_kept: int = setting("TOCSIN_SPANS_KEPT", "most spans kept; the oldest go first", default=500_000)
    smtp_listen: str = setting("TOCSIN_SMTP_LISTEN", "host:port where mail for integrations of kind email arrives; empty: none", default="")
    smtp_certificate_file: Path | None = setting(
        "TOCSIN_SMTP_CERTIFICATE_FILE", "certificate chain (PEM) that STARTTLS shows; empty: STARTTLS is not offered", default=None
    )
    smtp_certificate_key_file: Path | None = setting(
        "TOCSIN_SMTP_CERTIFICATE_KEY_FILE", "the certificate's private key (PEM); empty: it is in the same file", default=None
    )

    @property
    def addresses(self) -> dict[str, str]:
        """Where the other services are, by name."""
        return {
            "detection": self.detection_address,
            "triage": self.triage_address,
            "response": self.response_address,
            "communication": self.communication_address,
            "review": self.review_address,
        }
