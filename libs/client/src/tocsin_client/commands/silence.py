"""`tocsin silence`: hold back what matchers match, for a while."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from tocsin_client import times
from tocsin_client.commands.matchers import split
from tocsin_client.commands.options import DEFAULTS, Options
from tocsin_client.errors import UsageError
from tocsin_client.later import later
from tocsin_client.screen import coloured, facts, short

if TYPE_CHECKING:
    from rich.console import RenderableType
    from tocsin.detection.v1 import noise_pb2 as noise
    from tocsin.detection.v1 import noise_service_pb2 as noise_service
else:
    noise = later("tocsin.detection.v1.noise_pb2")
    noise_service = later("tocsin.detection.v1.noise_service_pb2")

SILENCE = Annotated[str, Parameter(help="The silence's id; `tocsin silence list` shows it.")]
State = Literal["current", "active", "pending", "expired", "any"]
STATES = {
    "current": ["PENDING", "ACTIVE"],
    "active": ["ACTIVE"],
    "pending": ["PENDING"],
    "expired": ["EXPIRED"],
    "any": ["PENDING", "ACTIVE", "EXPIRED"],
}


def add(
    *matchers: str,
    comment: str,
    alert: str = "",
    start: Annotated[str, Parameter(name="--from")] = "now",
    until: str = "",
    length: Annotated[str, Parameter(name="--for")] = "",
    options: Options = DEFAULTS,
) -> None:
    """Hold back what all the matchers match, for a while: `tocsin silence add 'team="db"' --for 2h --comment "…"`.

    Parameters
    ----------
    matchers
        name="text", !=, or with RE2 expressions =~ and !~. Beside labels there are service, severity, integration and fingerprint.
    comment
        Why, for people.
    alert
        Silence this alert alone, by its id, instead of matchers.
    start
        From when: ISO 8601, "now", "in 2h".
    until
        Until when. Give this or --for.
    length
        For how long: "2h", "3d". Give this or --until.
    """
    if bool(matchers) == bool(alert):
        raise UsageError("MATCHERS: give matchers, or --alert ID for one alert alone")
    begin = times.instant(start, options.now, "--from")
    end = ending(begin, until, length)
    with options.open() as tocsin:
        if alert:
            one = noise_service.SilenceAlertRequest(alert_id=alert, comment=comment)
            one.ends_at.FromDatetime(end)
            made = tocsin.noise.SilenceAlert(one).silence
        else:
            wanted = noise.Silence(matchers=split(matchers), comment=comment)
            wanted.starts_at.FromDatetime(begin)
            wanted.ends_at.FromDatetime(end)
            made = tocsin.noise.CreateSilence(noise_service.CreateSilenceRequest(silence=wanted)).silence
    options.screen.result(made, drawn)


def list_(*, state: State = "current", limit: int = 100, options: Options = DEFAULTS) -> None:
    """List silences: active ones first, by their end.

    Parameters
    ----------
    state
        Only these; current ones are active or will be.
    limit
        At most this many.
    """
    states = [noise.Silence.State.Value(f"STATE_{word}") for word in STATES[state]]
    with options.open() as tocsin:
        found = list(tocsin.noise.ListSilences(noise_service.ListSilencesRequest(states=states, page_size=limit)).silences)
    options.screen.table(
        found,
        {
            "ID": lambda silence: silence.id,
            "STATE": lambda silence: coloured(short(noise.Silence.State, silence.state)),
            "HOLDS": lambda silence: str(silence.held),
            "UNTIL": lambda silence: times.local(silence, "ends_at"),
            "BY": lambda silence: silence.created_by,
            "MATCHERS": lambda silence: ", ".join(silence.matchers),
            "WHY": lambda silence: silence.comment,
        },
        nothing="No silence.",
    )


def show(silence: SILENCE, /, *, options: Options = DEFAULTS) -> None:
    """Show one silence."""
    with options.open() as tocsin:
        found = tocsin.noise.GetSilence(noise_service.GetSilenceRequest(silence_id=silence)).silence
    options.screen.result(found, drawn)


def expire(silence: SILENCE, /, *, options: Options = DEFAULTS) -> None:
    """End a silence now. What it alone holds back wakes people then."""
    with options.open() as tocsin:
        over = tocsin.noise.ExpireSilence(noise_service.ExpireSilenceRequest(silence_id=silence)).silence
    options.screen.result(over, drawn)


def edit(
    silence: SILENCE,
    /,
    *,
    matcher: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    comment: str = "",
    start: Annotated[str, Parameter(name="--from")] = "",
    until: str = "",
    length: Annotated[str, Parameter(name="--for")] = "",
    options: Options = DEFAULTS,
) -> None:
    """Change a silence; what is not given stays. Other matchers end it, and make another one in its place.

    Parameters
    ----------
    matcher
        What it shall be about instead; may be given several times.
    comment
        Why, for people.
    start
        From when: ISO 8601, "now", "in 2h".
    until
        Until when.
    length
        For how long from now on, or from --from.
    """
    now = options.now
    with options.open() as tocsin:
        wanted = tocsin.noise.GetSilence(noise_service.GetSilenceRequest(silence_id=silence)).silence
        if matcher:
            wanted.matchers[:] = split(matcher)
        if comment:
            wanted.comment = comment
        begin = times.instant(start, now, "--from") if start else now
        if start:
            wanted.starts_at.FromDatetime(begin)
        if until or length:
            wanted.ends_at.FromDatetime(ending(begin, until, length))
        changed = tocsin.noise.EditSilence(noise_service.EditSilenceRequest(silence_id=silence, silence=wanted)).silence
    options.screen.result(changed, drawn)
    if changed.id != silence:
        options.screen.note("The old one is over; this one stands in its place.")


def ending(begin: datetime, until: str, length: str) -> datetime:
    """When it ends. UsageError unless exactly one of both is given."""
    if bool(until) == bool(length):
        raise UsageError('give either --until TIME ("2026-11-23T18:00") or --for DURATION ("2h"): a silence ends')
    return times.instant(until, begin, "--until") if until else begin + times.duration(length, "--for")


def drawn(silence: "noise.Silence") -> "RenderableType":
    return facts(
        {
            "silence": silence.id,
            "state": coloured(short(noise.Silence.State, silence.state)),
            "matchers": "\n".join(silence.matchers),
            "holds back": f"{silence.held} open alert{'s' * (silence.held != 1)}",
            "from": times.local(silence, "starts_at"),
            "until": times.local(silence, "ends_at"),
            "made by": silence.created_by,
            "because": silence.comment,
        }
    )
