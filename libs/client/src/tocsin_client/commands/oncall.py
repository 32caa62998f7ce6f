"""`tocsin oncall`: who is on call when, and overrides."""

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from tocsin_client import times
from tocsin_client.commands.options import DEFAULTS, Options
from tocsin_client.errors import UsageError
from tocsin_client.later import later
from tocsin_client.screen import coloured, facts

if TYPE_CHECKING:
    from rich.text import Text
    from tocsin.response.v1 import response_service_pb2 as response
    from tocsin.response.v1.oncall_pb2 import Duty
else:
    response = later("tocsin.response.v1.response_service_pb2")

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
    options: Options = DEFAULTS,
) -> None:
    """Put somebody on call for a while, in place of whoever the rotation names.

    Parameters
    ----------
    schedule
        The schedule, by name.
    responder
        Who takes over, by name.
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
    request = response.CreateOverrideRequest(schedule=schedule, responder=responder, reason=reason)
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
                "responder": made.responder,
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
    return duty.responder or coloured(NOBODY)
