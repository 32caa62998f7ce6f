"""`tocsin integration`: the doors through which senders report, their keys and secrets, and what a sample would become."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from tocsin_client import times
from tocsin_client.commands.asking import agree
from tocsin_client.commands.given import content, pairs
from tocsin_client.commands.options import DEFAULTS, Options
from tocsin_client.errors import UsageError
from tocsin_client.later import later
from tocsin_client.screen import coloured, facts, grid, heading, short, stack

if TYPE_CHECKING:
    from rich.console import RenderableType
    from tocsin.detection.v1 import alert_pb2 as alerts
    from tocsin.detection.v1 import detection_service_pb2 as detection
    from tocsin.detection.v1 import integration_pb2 as integrations
else:
    alerts = later("tocsin.detection.v1.alert_pb2")
    detection = later("tocsin.detection.v1.detection_service_pb2")
    integrations = later("tocsin.detection.v1.integration_pb2")

NEVER = "never"
SECRETS = ("none", "one", "two: a rotation is under way")
NAME = Annotated[str, Parameter(help="The integration's name.")]
# "-" is no option.
Given = Annotated[Path | None, Parameter(help='The file that holds it; "-" for standard input.', allow_leading_hyphen=True)]
Sample = Annotated[Path, Parameter(help='The body of the sample; "-" for standard input.', allow_leading_hyphen=True)]
YES = Annotated[bool, Parameter(help="Do not ask.")]


def list_(*, options: Options = DEFAULTS) -> None:
    """List the doors through which senders report, by name, without their keys."""
    now = options.now
    with options.open() as tocsin:
        found = list(tocsin.detection.ListIntegrations(detection.ListIntegrationsRequest()).integrations)
    options.screen.table(
        found,
        {
            "NAME": lambda integration: integration.name,
            "KIND": lambda integration: integration.kind,
            "SERVICE": lambda integration: integration.service,
            "LAST REPORT": lambda integration: times.age(integration, "last_report_at", now) or NEVER,
            "SECRETS": lambda integration: str(integration.secrets) if integration.secrets else "",
            "DESCRIPTION": lambda integration: integration.description,
        },
        nothing="No integration. `tocsin apply -f DIR` makes some.",
    )


def rotate(name: NAME, /, *, yes: YES = False, options: Options = DEFAULTS) -> None:
    """Give an integration a new key, shown once. The old one stops at once."""
    agree(f"Make a new key for {name!r}? Senders that use the old one are refused from then on.", yes)
    with options.open() as tocsin:
        answer = tocsin.detection.RotateIntegrationKey(detection.RotateIntegrationKeyRequest(name=name))
    options.screen.result(answer, lambda made: facts({"integration": made.integration.name, "key, shown once": made.key}))


def secret(name: NAME, /, *, file: Given = None, remove: bool = False, yes: YES = False, options: Options = DEFAULTS) -> None:
    """Give an integration the secret by which its sender signs. The one before stays valid beside it, older ones do not.

    It is read from a file, from standard input, or asked for; never given in the command line, which others on the machine can read.

    Parameters
    ----------
    remove
        Remove all its secrets instead.
    """
    given = "" if remove else read_secret(file)
    if remove:
        agree(f"Remove the secrets of {name!r}? What its sender has signed with them is no longer verified.", yes)
    with options.open() as tocsin:
        request = detection.SetIntegrationSecretRequest(name=name, secret=given)
        changed = tocsin.detection.SetIntegrationSecret(request).integration
    options.screen.result(changed, lambda made: facts({"integration": made.name, "live secrets": SECRETS[min(made.secrets, 2)]}))


def import_key(name: NAME, /, *, file: Given = None, yes: YES = False, options: Options = DEFAULTS) -> None:
    """Let a key that its senders have already open an integration, so that nothing changes at them but the address. The old one stops.

    It is read from a file, from standard input, or asked for; never given in the command line, which others on the machine can read.
    """
    given = read_secret(file, "key")
    agree(f"Let this key open {name!r}? Senders that use the one of today are refused from then on.", yes)
    with options.open() as tocsin:
        changed = tocsin.detection.ImportIntegrationKey(detection.ImportIntegrationKeyRequest(name=name, key=given)).integration
    options.screen.result(changed, lambda made: facts({"integration": made.name, "key": "the one given"}))


def preview(
    file: Sample,
    /,
    *,
    kind: str = "webhook",
    integration: str = "",
    header: Annotated[list[str], Parameter(help="NAME=VALUE, as the sender sends it; may be given several times.", negative=())] = [],  # noqa: B006
    options: Options = DEFAULTS,
) -> None:
    """Show what a sender's sample would become. Nothing is stored.

    Parameters
    ----------
    kind
        The wire format it is in.
    integration
        Read it as this integration does: with its kind and its mapping.
    """
    headers = {name.lower(): value for name, value in pairs(header, "--header").items()}
    request = detection.PreviewReportRequest(kind=kind, body=content(file, "FILE"), headers=headers)
    with options.open() as tocsin:
        if integration:
            read_as(request, tocsin.detection.ListIntegrations(detection.ListIntegrationsRequest()).integrations, integration)
        answer = tocsin.detection.PreviewReport(request)
    options.screen.result(answer, drawn_preview)


def read_as(request: "detection.PreviewReportRequest", known: Any, name: str) -> None:
    """Let the request read the sample as the integration of that name does. UsageError if there is none."""
    found = next((integration for integration in known if integration.name == name), None)
    if found is None:
        raise UsageError(f"--integration: there is no {name!r}; `tocsin integration list` shows them")
    request.kind = found.kind
    if found.HasField("mapping"):
        request.mapping.CopyFrom(found.mapping)


def drawn_preview(answer: "detection.PreviewReportResponse") -> "RenderableType":
    parts: list[RenderableType] = [facts({"would be answered": f"HTTP {answer.status}", "alerts": str(len(answer.alerts))})]
    for alert in answer.alerts:
        parts += [heading(alert.title or "(no title)"), drawn_alert(alert)]
    if answer.rejections:
        columns = {"PART": lambda each: str(each.index + 1), "WHY": lambda each: each.reason}
        parts += [heading("Refused"), grid(list(answer.rejections), columns)]
    return stack(*parts)


def drawn_alert(alert: "alerts.Alert") -> "RenderableType":
    return facts(
        {
            "state": coloured(short(alerts.Alert.State, alert.state)),
            "key": alert.fingerprint,
            "severity": alert.sender_severity,
            "service": alert.sender_service,
            "labels": "\n".join(f"{name}={value}" for name, value in sorted(alert.labels.items())),
            "tags": ", ".join(alert.tags),
            "source": alert.source_url,
            "description": alert.description,
        }
    )


def read_secret(file: Path | None, what: str = "secret") -> str:
    """The secret in a file, without its last line break, or as somebody types it. UsageError if it is empty or no text."""
    if file is None:
        from getpass import getpass

        if not sys.stdin.isatty():
            raise UsageError(f'--file: give the file that holds the {what}, or "-" for standard input; there is no terminal to ask on')
        given = getpass(f"{what.capitalize()}: ")
    else:
        try:
            given = content(file, "--file").decode().rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise UsageError(f"--file: {file} holds no text in UTF-8") from error
    if not given:
        raise UsageError(f"--file: the {what} is empty" + ("; --remove removes the secrets" if what == "secret" else ""))
    return given
