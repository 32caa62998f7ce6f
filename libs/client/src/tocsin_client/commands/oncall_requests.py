"""`tocsin oncall swap`, `temporary`, `calendar`, `feed` and `history`: what people do about their duties, and what really was."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from tocsin_client import times
from tocsin_client.commands.options import DEFAULTS, Options
from tocsin_client.errors import UsageError
from tocsin_client.later import later
from tocsin_client.screen import coloured, facts, number, short

if TYPE_CHECKING:
    from tocsin.response.v1 import oncall_pb2, oncall_service_pb2
else:
    oncall_pb2 = later("tocsin.response.v1.oncall_pb2")
    oncall_service_pb2 = later("tocsin.response.v1.oncall_service_pb2")

From = Annotated[str, Parameter(name="--from")]
SHIFT = re.compile(r"(?P<people>[^=]*)=(?P<start>.+?)\.\.(?P<end>.+)")


def history(
    schedule: str = "", /, *, responder: str = "", start: From = "", until: str = "", limit: int = 100, options: Options = DEFAULTS
) -> None:
    """List who really was on call, newest first, as it was recorded when it happened.

    Parameters
    ----------
    schedule
        Only this schedule; without it all.
    responder
        Only this person.
    start
        Only what was going on at this time or later.
    until
        Only what began before this time.
    limit
        At most so many.
    """
    from itertools import islice

    from tocsin_client.client import walk

    request = oncall_service_pb2.ListPastDutiesRequest(schedule=schedule, responder=responder, page_size=min(limit, 500))
    if start:
        getattr(request, "from").FromDatetime(times.instant(start, options.now, "--from"))
    if until:
        request.until.FromDatetime(times.instant(until, options.now, "--until"))
    with options.open() as tocsin:
        found = list(islice(walk(tocsin.oncall.ListPastDuties, request, oncall_service_pb2.PastDuty), limit))
    options.screen.table(
        found,
        {
            "SCHEDULE": lambda duty: duty.schedule,
            "RESPONDER": lambda duty: duty.responder or coloured("nobody"),
            "SINCE": lambda duty: times.local(duty, "since"),
            "UNTIL": lambda duty: times.local(duty, "until"),
            "WHY": lambda duty: duty.reason,
        },
        nothing="Nothing is recorded.",
    )


def ask_swap(
    schedule: str,
    responder: str,
    /,
    *,
    start: From,
    until: str,
    asked: Annotated[str, Parameter(name="--ask")] = "",
    return_from: str = "",
    return_until: str = "",
    reason: str = "",
    options: Options = DEFAULTS,
) -> None:
    """Ask somebody, or anybody, to take over duties. Nothing changes until it is taken.

    Parameters
    ----------
    schedule
        The schedule, by name.
    responder
        Whose duties are to be taken over, by name.
    start
        From when.
    until
        Until when.
    asked
        Who is asked, by name; without it anybody.
    return_from
        In return RESPONDER takes over from this time …
    return_until
        … until this one.
    reason
        Why, for people.
    """
    if bool(return_from) != bool(return_until):
        raise UsageError("give both --return-from and --return-until, or neither")
    request = oncall_service_pb2.CreateSwapRequest(schedule=schedule, responder=responder, asked=asked, reason=reason)
    request.starts_at.FromDatetime(times.instant(start, options.now, "--from"))
    request.ends_at.FromDatetime(times.instant(until, options.now, "--until"))
    if return_from:
        request.return_starts_at.FromDatetime(times.instant(return_from, options.now, "--return-from"))
        request.return_ends_at.FromDatetime(times.instant(return_until, options.now, "--return-until"))
    with options.open() as tocsin:
        swap = tocsin.oncall.CreateSwap(request).swap
    options.screen.result(swap, shown)


def take_swap(swap: str, responder: str, /, *, options: Options = DEFAULTS) -> None:
    """Take over what was asked for: overrides say so from now on.

    Parameters
    ----------
    swap
        The swap's id; `tocsin oncall swap list` shows it.
    responder
        Who takes it, by name.
    """
    with options.open() as tocsin:
        taken = tocsin.oncall.TakeSwap(oncall_service_pb2.TakeSwapRequest(swap_id=swap, responder=responder)).swap
    options.screen.result(taken, shown)


def cancel_swap(swap: str, /, *, options: Options = DEFAULTS) -> None:
    """Withdraw a swap that nobody has taken.

    Parameters
    ----------
    swap
        The swap's id; `tocsin oncall swap list` shows it.
    """
    with options.open() as tocsin:
        cancelled = tocsin.oncall.CancelSwap(oncall_service_pb2.CancelSwapRequest(swap_id=swap)).swap
    options.screen.result(cancelled, shown)


def list_swaps(
    schedule: str = "", /, *, every: Annotated[bool, Parameter(name="--all")] = False, limit: int = 100, options: Options = DEFAULTS
) -> None:
    """List swaps, newest first.

    Parameters
    ----------
    schedule
        Only those of this schedule; without it all.
    every
        Those that are taken, cancelled or over, too.
    limit
        At most so many.
    """
    from itertools import islice

    from tocsin_client.client import walk

    request = oncall_service_pb2.ListSwapsRequest(schedule=schedule, open_only=not every, page_size=min(limit, 500))
    with options.open() as tocsin:
        found = list(islice(walk(tocsin.oncall.ListSwaps, request, oncall_pb2.Swap), limit))
    options.screen.table(
        found,
        {
            "ID": lambda swap: swap.id,
            "SCHEDULE": lambda swap: swap.schedule,
            "RESPONDER": lambda swap: swap.responder,
            "ASKED": lambda swap: swap.asked or "anybody",
            "FROM": lambda swap: times.local(swap, "starts_at"),
            "UNTIL": lambda swap: times.local(swap, "ends_at"),
            "IN RETURN FROM": lambda swap: times.local(swap, "return_starts_at"),
            "STATE": lambda swap: short(oncall_pb2.Swap.State, swap.state),
            "TAKEN BY": lambda swap: swap.taken_by,
            "WHY": lambda swap: swap.reason,
        },
        nothing="No swap.",
    )


def shown(swap: Any) -> Any:
    return facts(
        {
            "swap": swap.id,
            "schedule": swap.schedule,
            "responder": swap.responder,
            "asked": swap.asked,
            "from": times.local(swap, "starts_at"),
            "until": times.local(swap, "ends_at"),
            "in return from": times.local(swap, "return_starts_at"),
            "in return until": times.local(swap, "return_ends_at"),
            "state": short(oncall_pb2.Swap.State, swap.state),
            "taken by": swap.taken_by,
            "because": swap.reason,
        }
    )


def add_temporary(
    schedule: str,
    /,
    *,
    start: From,
    until: str,
    shift: list[str] | None = None,
    reason: str = "",
    options: Options = DEFAULTS,
) -> None:
    """Replace a schedule for a while: layers and overrides say nothing meanwhile.

    Parameters
    ----------
    schedule
        The schedule, by name.
    start
        From when.
    until
        Until when.
    shift
        Who is on call within: "ann,bob=2026-12-24T09:00..2026-12-24T17:00". Give it as often as needed; where no shift is, nobody is on
        call.
    reason
        Why, for people.
    """
    request = oncall_service_pb2.CreateTemporaryRequest(schedule=schedule, reason=reason)
    request.starts_at.FromDatetime(times.instant(start, options.now, "--from"))
    request.ends_at.FromDatetime(times.instant(until, options.now, "--until"))
    for each in shift or ():
        found = SHIFT.fullmatch(each)
        if found is None:
            raise UsageError(f'--shift: {each!r} is not of the form "ann,bob=2026-12-24T09:00..2026-12-24T17:00"')
        made = request.shifts.add(responders=[name.strip() for name in found["people"].split(",") if name.strip()])
        made.starts_at.FromDatetime(times.instant(found["start"], options.now, "--shift"))
        made.ends_at.FromDatetime(times.instant(found["end"], options.now, "--shift"))
    with options.open() as tocsin:
        temporary = tocsin.oncall.CreateTemporary(request).temporary
    options.screen.result(
        temporary,
        lambda made: facts(
            {
                "temporary schedule": made.id,
                "schedule": made.schedule,
                "from": times.local(made, "starts_at"),
                "until": times.local(made, "ends_at"),
                "shifts": str(len(made.shifts)),
                "because": made.reason,
            }
        ),
    )


def list_temporaries(schedule: str = "", /, *, options: Options = DEFAULTS) -> None:
    """List temporary schedules that have not ended, by start.

    Parameters
    ----------
    schedule
        Only those of this schedule; without it all.
    """
    with options.open() as tocsin:
        found = tocsin.oncall.ListTemporaries(oncall_service_pb2.ListTemporariesRequest(schedule=schedule)).temporaries
    options.screen.table(
        found,
        {
            "ID": lambda each: each.id,
            "SCHEDULE": lambda each: each.schedule,
            "FROM": lambda each: times.local(each, "starts_at"),
            "UNTIL": lambda each: times.local(each, "ends_at"),
            "SHIFTS": lambda each: str(len(each.shifts)),
            "MADE BY": lambda each: each.created_by,
            "WHY": lambda each: each.reason,
        },
        nothing="No temporary schedule.",
    )


def remove_temporary(temporary: str, /, *, options: Options = DEFAULTS) -> None:
    """End a temporary schedule at once. One that is gone stays gone.

    Parameters
    ----------
    temporary
        Its id; `tocsin oncall temporary list` shows it.
    """
    with options.open() as tocsin:
        tocsin.oncall.DeleteTemporary(oncall_service_pb2.DeleteTemporaryRequest(temporary_id=temporary))
    options.screen.say(f"Temporary schedule {temporary} is removed.")


def put_calendar(
    name: str,
    file: Path | None = None,
    /,
    *,
    kind: str,
    url: str = "",
    responder: str = "",
    zone: str = "",
    display_name: str = "",
    options: Options = DEFAULTS,
) -> None:
    """Keep a calendar, in place of the one with its name. Absences and holidays warn of conflicts, duties feed layers.

    Parameters
    ----------
    name
        The calendar's name: lower-case letters, digits and dashes.
    file
        The iCalendar file (.ics). Give it, or --url.
    url
        An https address from which the calendar is read every hour.
    kind
        "absence" (of --responder), "holiday" or "duty".
    responder
        Whose absences these are, by name.
    zone
        The zone of times and days that name none; without it UTC.
    display_name
        The name that people read.
    """
    if (file is None) == (not url):
        raise UsageError("give either FILE or --url")
    try:
        text = file.read_text() if file is not None else ""
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"FILE: cannot read {file}: {error}") from None
    calendar = oncall_pb2.Calendar(
        name=name,
        display_name=display_name,
        kind=number(oncall_pb2.Calendar.Kind, kind, "--kind"),
        responder=responder,
        time_zone=zone,
        text=text,
        url=url,
    )
    with options.open() as tocsin:
        tocsin.oncall.PutCalendar(oncall_service_pb2.PutCalendarRequest(calendar=calendar))
    options.screen.say(f"Calendar {name} is kept.")


def list_calendars(*, options: Options = DEFAULTS) -> None:
    """List calendars, by name."""
    with options.open() as tocsin:
        found = tocsin.oncall.ListCalendars(oncall_service_pb2.ListCalendarsRequest()).calendars
    options.screen.table(
        found,
        {
            "NAME": lambda each: each.name,
            "KIND": lambda each: short(oncall_pb2.Calendar.Kind, each.kind).lower(),
            "RESPONDER": lambda each: each.responder,
            "ZONE": lambda each: each.time_zone,
            "READ FROM": lambda each: each.url,
        },
        nothing="No calendar.",
    )


def remove_calendar(name: str, /, *, options: Options = DEFAULTS) -> None:
    """Forget a calendar that was given by `tocsin oncall calendar put`.

    Parameters
    ----------
    name
        The calendar's name.
    """
    with options.open() as tocsin:
        tocsin.oncall.DeleteCalendar(oncall_service_pb2.DeleteCalendarRequest(name=name))
    options.screen.say(f"Calendar {name} is removed.")


def add_feed(schedule: str = "", /, *, responder: str = "", options: Options = DEFAULTS) -> None:
    """Make a secret link at which calendar programs read the duties of a schedule, or of a person. It is shown only now.

    Parameters
    ----------
    schedule
        The schedule, by name …
    responder
        … or the person.
    """
    with options.open() as tocsin:
        made = tocsin.oncall.CreateCalendarFeed(oncall_service_pb2.CreateCalendarFeedRequest(schedule=schedule, responder=responder))
    options.screen.result(
        made,
        lambda answer: facts(
            {"feed": answer.feed.id, "of": answer.feed.schedule or answer.feed.responder, "link": f"(the platform's address){answer.path}"}
        ),
    )


def list_feeds(*, options: Options = DEFAULTS) -> None:
    """List links, newest first. Their secrets are not shown again."""
    with options.open() as tocsin:
        found = tocsin.oncall.ListCalendarFeeds(oncall_service_pb2.ListCalendarFeedsRequest()).feeds
    options.screen.table(
        found,
        {
            "ID": lambda each: each.id,
            "SCHEDULE": lambda each: each.schedule,
            "RESPONDER": lambda each: each.responder,
            "MADE BY": lambda each: each.created_by,
            "MADE AT": lambda each: times.local(each, "created_at"),
        },
        nothing="No link.",
    )


def remove_feed(feed: str, /, *, options: Options = DEFAULTS) -> None:
    """End a link at once and for good.

    Parameters
    ----------
    feed
        Its id; `tocsin oncall feed list` shows it.
    """
    with options.open() as tocsin:
        tocsin.oncall.DeleteCalendarFeed(oncall_service_pb2.DeleteCalendarFeedRequest(feed_id=feed))
    options.screen.say(f"Link {feed} is removed.")
