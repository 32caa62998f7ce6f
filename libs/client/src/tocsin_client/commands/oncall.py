"""`tocsin oncall`: who is on call when, and overrides."""

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from tocsin_client import times
from tocsin_client.commands.options import DEFAULTS, Options
from tocsin_client.errors import UsageError
from tocsin_client.later import later
from tocsin_client.screen import as_data, cell, coloured, facts, short, stack

if TYPE_CHECKING:
    from rich.text import Text
    from tocsin.response.v1 import oncall_pb2, oncall_service_pb2
    from tocsin.response.v1 import response_service_pb2 as response
    from tocsin.response.v1.oncall_pb2 import Duty
else:
    response = later("tocsin.response.v1.response_service_pb2")
    oncall_pb2 = later("tocsin.response.v1.oncall_pb2")
    oncall_service_pb2 = later("tocsin.response.v1.oncall_service_pb2")

NOBODY = "nobody"


def now(schedule: str = "", /, *, at: str = "now", options: Options = DEFAULTS) -> None:
    """Say who is on call, and why.

    Parameters
    ----------
    schedule
        Only this schedule; without it all.
    at
        The instant: ISO 8601, "now", "+2h", "in 2h" or "2h ago".
    """
    request = response.GetOncallRequest(schedule=schedule)
    if at != "now":
        request.at.FromDatetime(times.instant(at, options.now, "--at"))
    with options.open() as tocsin:
        duties = list(tocsin.response.GetOncall(request).duties)
    options.screen.table(
        duties,
        {
            "SCHEDULE": lambda duty: duty.schedule,
            "RESPONDER": person,
            "NAME": lambda duty: duty.display_name,
            "SINCE": lambda duty: times.local(duty, "since"),
            "UNTIL": lambda duty: times.local(duty, "until"),
            "WHY": lambda duty: duty.reason,
        },
        nothing="There is no schedule. `tocsin apply -f DIR` makes some.",
    )


def following(schedule: str, /, *, at: str = "now", options: Options = DEFAULTS) -> None:
    """Say who is on call next, and who was before.

    Parameters
    ----------
    schedule
        The schedule, by name.
    at
        Seen from when: ISO 8601, "now", "+2h", "in 2h" or "2h ago".
    """
    answer = explained(schedule, at, options)
    named = [(turn, duty) for turn in ("next", "previous") for duty in getattr(answer, turn)]
    if options.output != "table":
        options.screen.data([{"turn": turn, **as_data(duty)} for turn, duty in named])
        return
    options.screen.table(
        named,
        {
            "TURN": lambda each: each[0],
            "RESPONDER": lambda each: person(each[1]),
            "SINCE": lambda each: times.local(each[1], "since"),
            "UNTIL": lambda each: times.local(each[1], "until"),
            "WHY": lambda each: each[1].reason,
        },
        nothing="Nobody else is in sight.",
    )


def why(schedule: str, /, *, at: str = "now", options: Options = DEFAULTS) -> None:
    """Say layer by layer why somebody is on call, and nobody else.

    Parameters
    ----------
    schedule
        The schedule, by name.
    at
        The instant: ISO 8601, "now", "+2h", "in 2h" or "2h ago".
    """
    answer = explained(schedule, at, options)
    options.screen.result(answer, lambda found: stack(*(cell(line) for line in found.lines)))


def explained(schedule: str, at: str, options: Options) -> "oncall_service_pb2.ExplainOncallResponse":
    request = oncall_service_pb2.ExplainOncallRequest(schedule=schedule)
    if at != "now":
        request.at.FromDatetime(times.instant(at, options.now, "--at"))
    with options.open() as tocsin:
        return tocsin.oncall.ExplainOncall(request)


def shifts(
    schedule: str,
    /,
    *,
    start: Annotated[str, Parameter(name="--from")] = "now",
    until: str = "",
    days: int = 14,
    options: Options = DEFAULTS,
) -> None:
    """List who is on call for a schedule over a range, gaps included.

    Parameters
    ----------
    schedule
        The schedule, by name.
    start
        The beginning of the range: ISO 8601, "now", "+2h", "in 2h" or "2h ago".
    until
        Its end; without it --days after its beginning.
    days
        How many days, where --until is not given.
    """
    begin = times.instant(start, options.now, "--from")
    end = times.instant(until, options.now, "--until") if until else begin + timedelta(days=days)
    request = response.ListShiftsRequest(schedule=schedule)
    getattr(request, "from").FromDatetime(begin)
    request.until.FromDatetime(end)
    with options.open() as tocsin:
        found = list(tocsin.response.ListShifts(request).shifts)
    options.screen.table(
        found,
        {
            "FROM": lambda duty: times.local(duty, "since"),
            "UNTIL": lambda duty: times.local(duty, "until"),
            "RESPONDER": person,
            "WHY": lambda duty: duty.reason,
        },
        nothing="The range is empty.",
    )


def add_override(
    schedule: str,
    responder: str,
    /,
    *,
    start: Annotated[str, Parameter(name="--from")] = "now",
    until: str = "",
    length: Annotated[str, Parameter(name="--for")] = "",
    reason: str = "",
    also: bool = False,
    instead_of: str = "",
    off: bool = False,
    layer: str = "",
    options: Options = DEFAULTS,
) -> None:
    """Put somebody on call for a while, in place of whoever the schedule names.

    Parameters
    ----------
    schedule
        The schedule, by name.
    responder
        Who takes over, by name.
    also
        Beside those who are on call, not in their place.
    instead_of
        Only in place of this responder, wherever they are on call.
    off
        RESPONDER has no duty for a while, and nobody takes over.
    layer
        Only in this layer of the schedule.
    start
        From when: ISO 8601, "now", "+2h", "in 2h".
    until
        Until when. Give this or --for.
    length
        For how long: "2h", "1h30m", "3d". Give this or --until.
    reason
        Why, for people.
    """
    begin = times.instant(start, options.now, "--from")
    if bool(until) == bool(length):
        raise UsageError('give either --until TIME ("2026-11-23T18:00") or --for DURATION ("2h"): an override ends')
    end = times.instant(until, options.now, "--until") if until else begin + times.duration(length, "--for")
    if sum([also, bool(instead_of), off]) > 1:
        raise UsageError("give one of --also, --instead-of and --off")
    request = response.CreateOverrideRequest(schedule=schedule, responder=responder, reason=reason, layer=layer, instead_of=instead_of)
    kinds = {"KIND_ADD": also, "KIND_REPLACE": bool(instead_of), "KIND_REMOVE": off}
    request.kind = oncall_pb2.Override.Kind.Value(next((kind for kind, wanted in kinds.items() if wanted), "KIND_COVER_ALL"))
    if off:
        request.responder, request.instead_of = "", responder
    request.starts_at.FromDatetime(begin)
    request.ends_at.FromDatetime(end)
    with options.open() as tocsin:
        override = tocsin.response.CreateOverride(request).override
    options.screen.result(
        override,
        lambda made: facts(
            {
                "override": made.id,
                "schedule": made.schedule,
                "kind": short(oncall_pb2.Override.Kind, made.kind).lower().replace("_", " "),
                "responder": made.responder,
                "instead of": made.instead_of,
                "layer": made.layer,
                "from": times.local(made, "starts_at"),
                "until": times.local(made, "ends_at"),
                "because": made.reason,
            }
        ),
    )


def list_overrides(schedule: str = "", /, *, options: Options = DEFAULTS) -> None:
    """List overrides that have not ended, by start.

    Parameters
    ----------
    schedule
        Only those of this schedule; without it all.
    """
    with options.open() as tocsin:
        overrides = list(tocsin.response.ListOverrides(response.ListOverridesRequest(schedule=schedule)).overrides)
    options.screen.table(
        overrides,
        {
            "ID": lambda override: override.id,
            "SCHEDULE": lambda override: override.schedule,
            "RESPONDER": lambda override: override.responder,
            "KIND": lambda override: short(oncall_pb2.Override.Kind, override.kind).lower().replace("_", " "),
            "INSTEAD OF": lambda override: override.instead_of,
            "LAYER": lambda override: override.layer,
            "FROM": lambda override: times.local(override, "starts_at"),
            "UNTIL": lambda override: times.local(override, "ends_at"),
            "MADE BY": lambda override: override.created_by,
            "WHY": lambda override: override.reason,
        },
        nothing="No override.",
    )


def remove_override(override_id: str, /, *, options: Options = DEFAULTS) -> None:
    """End an override at once. One that is gone stays gone.

    Parameters
    ----------
    override_id
        The override's id; `tocsin oncall override list` shows it.
    """
    with options.open() as tocsin:
        tocsin.response.DeleteOverride(response.DeleteOverrideRequest(override_id=override_id))
    options.screen.say(f"Override {override_id} is removed.")


def person(duty: "Duty") -> "str | Text":
    return duty.responder or (f"contact {duty.contact}" if duty.contact else coloured(NOBODY))
