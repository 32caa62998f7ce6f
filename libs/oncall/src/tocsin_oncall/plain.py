"""Schedules as plain values, in the form of the contract's JSON and of configuration files; everything wrong is named with its field."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from enum import Enum
from typing import Any, TypeVar, overload
from zoneinfo import ZoneInfo

from tocsin_oncall import wall
from tocsin_oncall.ical import Events, calendar_of
from tocsin_oncall.rhythm import Boundary, Occurrences, Rhythm, Rule, Turns, Unit, rule_of
from tocsin_oncall.ring import Participant, Position, Ring
from tocsin_oncall.schedule import Combine, FixedShift, Kind, Layer, Override, Rotation, Schedule, Temporary
from tocsin_oncall.windows import Window, window

Plain = Mapping[str, Any]
Problem = tuple[str, str]
Found = TypeVar("Found")
Choice = TypeVar("Choice", bound=Enum)

DAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
ONLY_LAYER = "rotation"
USUAL_REST = timedelta(hours=11)
FROM_FILE = datetime(1970, 1, 1, tzinfo=UTC)
NEEDS = {
    Kind.COVER_ALL: (),
    Kind.REPLACE: ("responder", "instead_of_responder"),
    Kind.ADD: ("responder",),
    Kind.REMOVE: ("instead_of_responder",),
}
SECONDS = re.compile(r"(-?\d+(?:\.\d+)?)s")


@dataclass(frozen=True, slots=True)
class Known:
    """What the names in a schedule stand for. What is not known stands for itself: "team ops".

    Policies and the business hours that they name are as the contract's JSON or as files say them; `managers` are those of teams.
    `people` are the names of responders by what calendars may write of them, in small letters; None: whatever they write is a name.
    """

    teams: Mapping[str, Sequence[str]] = field(default_factory=dict)
    policies: Mapping[str, Plain] = field(default_factory=dict)
    calendars: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    people: Mapping[str, str] | None = None
    hours: Mapping[str, Plain] = field(default_factory=dict)
    managers: Mapping[str, Sequence[str]] = field(default_factory=dict)


NOTHING_KNOWN = Known()


def read(plain: Plain, known: Known = NOTHING_KNOWN) -> tuple[Schedule, list[Problem]]:
    """The schedule, as far as it can be understood, and everything that is wrong with it: field and what to mend."""
    reader = _Reader(known)
    return reader.schedule(plain), reader.problems


def schedule_of(plain: Plain, known: Known = NOTHING_KNOWN) -> Schedule:
    """The schedule. Raises ValueError that names everything wrong."""
    made, problems = read(plain, known)
    if problems:
        raise ValueError("; ".join(f"{path}: {detail}" for path, detail in problems))
    return made


def windows_of(given: Sequence[Plain]) -> tuple[Window, ...]:
    """The windows of hours, as far as they can be understood."""
    reader = _Reader(NOTHING_KNOWN)
    return tuple(each for one in given for each in reader.windows("", one))


def positions(schedule: Schedule) -> dict[str, dict[str, object]]:
    """By layer: where its ring stands, as a file says it. A layer that stands where it began is not listed."""
    found: dict[str, dict[str, object]] = {}
    for layer in schedule.layers:
        if isinstance(layer.source, Rotation) and layer.source.ring.position is not None:
            position = layer.source.ring.position
            found[layer.name] = {"turn_start": layer.source.rhythm.wall(position.turn).isoformat(), "participant": position.index}
    return found


class _Reader:
    def __init__(self, known: Known) -> None:
        self.known = known
        self.problems: list[Problem] = []

    def schedule(self, plain: Plain) -> Schedule:
        zone = self.zone("time_zone", plain.get("time_zone", "UTC"))
        if plain.get("rotation") is not None and plain.get("layers"):
            self.wrong("rotation", "give either rotation, the short form of one layer, or layers")
        layers = [self.layer(f"layers[{number}].", each, zone) for number, each in enumerate(plain.get("layers", ()))]
        if plain.get("rotation") is not None:
            layers.append(Layer(ONLY_LAYER, zone, self.rotation("rotation.", plain["rotation"], zone, ())))
        names = [layer.name for layer in layers]
        for number, name in enumerate(names):
            if name in names[:number]:
                self.wrong(f"layers[{number}].name", f"{name} is given twice")
        name = plain.get("name", "")
        rest = self.duration("rest", plain.get("rest"), USUAL_REST)
        return Schedule(
            name=name,
            zone=zone,
            layers=tuple(layers),
            combine=self.choice("combine", plain.get("combine"), Combine, Combine.UNION),
            overrides=tuple(
                self.override(f"overrides[{n}].", each, name, zone, names, n) for n, each in enumerate(plain.get("overrides", ()))
            ),
            temporaries=tuple(
                self.temporary(f"temporaries[{n}].", each, name, zone, n) for n, each in enumerate(plain.get("temporaries", ()))
            ),
            rest=rest.total_seconds() / 3600,
        )

    def layer(self, path: str, plain: Plain, zone: ZoneInfo) -> Layer:
        own = self.zone(f"{path}time_zone", plain["time_zone"]) if plain.get("time_zone") else zone
        windows = tuple(each for n, one in enumerate(plain.get("windows", ())) for each in self.windows(f"{path}windows[{n}].", one))
        source: Rotation | Events | None = None
        if "rotation" in plain:
            source = self.rotation(f"{path}rotation.", plain["rotation"], own, windows)
        elif "recurrence" in plain:
            source = self.recurrence(f"{path}recurrence.", plain["recurrence"], own)
        elif "ical" in plain:
            source = self.events(f"{path}ical", plain["ical"], own)
        elif "calendar" in plain:
            source = self.calendar(f"{path}calendar", plain["calendar"], own)
        since = self.moment(f"{path}effective_from", plain.get("effective_from"), own, wall.PAST)
        until = self.moment(f"{path}effective_until", plain.get("effective_until"), own, wall.FUTURE)
        if until <= since:
            self.wrong(f"{path}effective_until", "must be later than effective_from")
        return Layer(plain.get("name", ""), own, source, int(plain.get("level", 0)), windows, since, until)

    def rotation(self, path: str, plain: Plain, zone: ZoneInfo, windows: tuple[Window, ...]) -> Rotation:
        rhythm = self.rhythm(path, plain, zone, windows)
        participants = tuple(self.participants(path, plain, zone))
        return Rotation(rhythm, Ring(participants, rhythm, self.position(path, plain.get("position"), rhythm, participants)))

    def rhythm(self, path: str, plain: Plain, zone: ZoneInfo, windows: tuple[Window, ...]) -> Rhythm:
        unit = self.choice(f"{path}unit", plain.get("unit"), Unit, Unit.DAILY, prefix="UNIT_")
        if not plain.get("unit"):
            self.wrong(f"{path}unit", "must be given")
        anchor = self.anchor(path, plain)
        lengths = tuple(int(each) for each in plain.get("lengths", ()))
        if lengths and plain.get("length"):
            self.wrong(f"{path}lengths", "give either length or lengths")
        length = int(plain.get("length", 0)) or 1
        boundary = self.choice(f"{path}boundary", plain.get("boundary"), Boundary, Boundary.WALL, prefix="BOUNDARY_")
        if boundary is Boundary.ELAPSED and unit is Unit.MONTHLY:
            self.wrong(f"{path}boundary", "months have no fixed length; leave it out")
            boundary = Boundary.WALL
        if str(plain.get("advance", "")).removeprefix("ADVANCE_") == "WINDOW":
            if windows:
                return Occurrences(windows, length, anchor, zone)
            self.wrong(f"{path}advance", "WINDOW counts the windows of the layer, which has none; add windows, or advance by TURN")
        return Turns(unit, lengths or (length,), anchor, zone, boundary)

    def anchor(self, path: str, plain: Plain) -> datetime:
        day, handoff = wall.EARLIEST.date(), time(0)
        given = str(plain.get("starts_on", ""))
        try:
            day = date.fromisoformat(given)
        except ValueError:
            self.wrong(f"{path}starts_on", f"{given!r} is not a day of the calendar")
        if not wall.EARLIEST.date() <= day <= wall.LATEST.date():
            self.wrong(f"{path}starts_on", f"{day} does not lie between the years {wall.EARLIEST.year} and {wall.LATEST.year}")
            day = wall.EARLIEST.date()
        try:
            handoff = time.fromisoformat(str(plain.get("handoff_time", "")))
        except ValueError:
            self.wrong(f"{path}handoff_time", 'must be a time of day such as "09:00"')
        return datetime.combine(day, handoff.replace(tzinfo=None))

    def recurrence(self, path: str, plain: Plain, zone: ZoneInfo) -> Rotation:
        anchor = wall.wall_of(self.moment(f"{path}start", plain.get("start"), zone, wall.EARLIEST.replace(tzinfo=UTC)), zone)
        if not plain.get("start"):
            self.wrong(f"{path}start", 'must be given: "2026-11-23T09:00"')
        text = str(plain.get("rule", ""))
        try:
            rule_of(text, anchor)
        except ValueError as error:
            self.wrong(f"{path}rule", str(error))
            text = "FREQ=DAILY;COUNT=1"
        lasts = self.duration(f"{path}lasts", plain.get("lasts"), timedelta(0))
        if lasts <= timedelta(0):
            self.wrong(f"{path}lasts", 'must be a duration such as "8h"')
            lasts = timedelta(hours=1)
        boundary = self.choice(f"{path}boundary", plain.get("boundary"), Boundary, Boundary.WALL, prefix="BOUNDARY_")
        by_period = str(plain.get("advance", "")).removeprefix("ADVANCE_") == "PERIOD"
        rhythm = Rule(text, anchor, lasts, int(plain.get("every", 0)) or 1, by_period, zone, boundary)
        participants = tuple(self.participants(path, plain, zone))
        return Rotation(rhythm, Ring(participants, rhythm, self.position(path, plain.get("position"), rhythm, participants)))

    def participants(self, path: str, plain: Plain, zone: ZoneInfo) -> list[Participant]:
        short, full = plain.get("responders", ()), plain.get("participants", ())
        if short and full:
            self.wrong(f"{path}participants", "give either responders, the short form, or participants")
        found = [Participant(name, (name,)) for name in short]
        return found + [self.participant(f"{path}participants[{number}].", each, zone) for number, each in enumerate(full)]

    def participant(self, path: str, plain: Plain, zone: ZoneInfo) -> Participant:
        joins = self.moment(f"{path}joins", plain.get("joins"), zone, None)
        leaves = self.moment(f"{path}leaves", plain.get("leaves"), zone, None)
        if joins is not None and leaves is not None and leaves <= joins:
            self.wrong(f"{path}leaves", "must be later than joins")
        label, people = self.who(path, plain)
        policy = str(plain.get("escalation_policy") or "")
        return Participant(label, people, joins, leaves, policy if policy in self.known.policies else "")

    def who(self, path: str, plain: Plain) -> tuple[str, tuple[str, ...]]:
        if plain.get("responder"):
            return plain["responder"], (plain["responder"],)
        if "group" in plain:
            people = tuple(plain["group"].get("responders", ()))
            return " and ".join(people), people
        if plain.get("nobody"):
            return "nobody", ()
        if plain.get("team"):
            label = f"team {plain['team']}"
            return label, tuple(self.known.teams.get(plain["team"], (label,)))
        if plain.get("escalation_policy"):
            label = f"escalation policy {plain['escalation_policy']}"
            return label, () if plain["escalation_policy"] in self.known.policies else (label,)
        self.wrong(path.rstrip("."), "give exactly one of responder, group, nobody, team, escalation_policy")
        return "nobody", ()

    def position(self, path: str, plain: Plain | None, rhythm: Rhythm, participants: tuple[Participant, ...]) -> Position | None:
        if not plain:
            return None
        index = int(plain.get("participant", 0))
        if not 0 <= index < len(participants):
            self.wrong(
                f"{path}position.participant", f"there is no participant {index}; they are counted from 0 to {len(participants) - 1}"
            )
            return None
        given = str(plain.get("turn_start", ""))
        try:
            planned = datetime.fromisoformat(given).replace(tzinfo=None)
        except ValueError:
            self.wrong(f"{path}position.turn_start", f'{given!r} is not a time such as "2026-11-23T09:00"')
            return None
        near = rhythm.turn_at(wall.instant_of(planned, rhythm.zone))
        turn = next((turn for turn in (near, near - 1, near + 1) if rhythm.wall(turn) == planned), None)
        if turn is None:
            around = " and ".join(rhythm.wall(each).isoformat(timespec="minutes") for each in (near, near + 1))
            self.wrong(f"{path}position.turn_start", f"no turn begins then; turns around it begin at {around}")
            return None
        return Position(turn, index)

    def windows(self, path: str, plain: Plain) -> list[Window]:
        days = [str(each).removeprefix("DAY_") for each in plain.get("days", ())] or list(DAYS)
        unknown = [day for day in days if day not in DAYS]
        if unknown:
            self.wrong(f"{path}days", f"{unknown[0]!r} is not possible; give {', '.join(DAYS)}")
            return []
        start, end = self.clock(f"{path}start", plain.get("start")), self.clock(f"{path}end", plain.get("end"))
        end_day = str(plain.get("end_day", "")).removeprefix("DAY_").replace("UNSPECIFIED", "")
        if end_day and (end_day not in DAYS or len(days) != 1):
            self.wrong(f"{path}end_day", "give one day in days, and the day on which the window ends")
            return []
        day = timedelta(days=1)
        if end_day:
            return [window(DAYS.index(days[0]), start, DAYS.index(end_day), end)]
        lasts = end - start if end > start else end - start + day
        return [Window(DAYS.index(each) * day + start, DAYS.index(each) * day + start + lasts) for each in days]

    def events(self, path: str, text: str, zone: ZoneInfo) -> Events | None:
        try:
            calendar_of(text)
        except ValueError as error:
            self.wrong(path, str(error))
            return None
        return Events(text, zone, self.known.people)

    def calendar(self, path: str, name: str, zone: ZoneInfo) -> Events | None:
        if name not in self.known.calendars:
            return None
        text, zone_name = self.known.calendars[name]
        return self.events(path, text, self.zone(path, zone_name) if zone_name else zone)

    def override(self, path: str, plain: Plain, schedule: str, zone: ZoneInfo, layers: Sequence[str], number: int) -> Override:
        kind = self.choice(f"{path}kind", plain.get("kind"), Kind, Kind.COVER_ALL, prefix="KIND_")
        for needed in NEEDS[kind]:
            if not plain.get(needed):
                self.wrong(f"{path}{needed}", f"{kind.name} needs it")
        layer = str(plain.get("layer", ""))
        if layer and layer not in layers:
            self.wrong(f"{path}layer", f"there is no layer {layer}")
        since, until = self.range(path, plain, zone)
        return Override(
            id=f"file-{number:04}",
            schedule=schedule,
            responder=str(plain.get("responder", "")),
            starts_at=since,
            ends_at=until,
            created_by="",
            created_at=FROM_FILE,
            reason=str(plain.get("reason", "")),
            kind=kind,
            instead_of=str(plain.get("instead_of_responder", "")),
            layer=layer,
        )

    def temporary(self, path: str, plain: Plain, schedule: str, zone: ZoneInfo, number: int) -> Temporary:
        since, until = self.range(path, plain, zone)
        shifts = []
        for index, each in enumerate(plain.get("shifts", ())):
            start, end = self.range(f"{path}shifts[{index}].", each, zone)
            shifts.append(FixedShift(start, end, tuple(each.get("responders", ()))))
        return Temporary(f"file-{number:04}", schedule, since, until, tuple(shifts), "", FROM_FILE, str(plain.get("reason", "")))

    def range(self, path: str, plain: Plain, zone: ZoneInfo) -> tuple[datetime, datetime]:
        since = self.moment(f"{path}from", plain.get("from"), zone, wall.PAST)
        until = self.moment(f"{path}until", plain.get("until"), zone, wall.FUTURE)
        for name in ("from", "until"):
            if not plain.get(name):
                self.wrong(f"{path}{name}", "must be given")
        if until <= since:
            self.wrong(f"{path}until", "must be later than from")
        return since, until

    @overload
    def moment(self, path: str, text: object, zone: ZoneInfo, otherwise: datetime) -> datetime: ...
    @overload
    def moment(self, path: str, text: object, zone: ZoneInfo, otherwise: None) -> datetime | None: ...
    def moment(self, path: str, text: object, zone: ZoneInfo, otherwise: datetime | None) -> datetime | None:
        return self.attempt(path, lambda: wall.typed(str(text), zone), otherwise) if text else otherwise

    def clock(self, path: str, text: object) -> timedelta:
        if text == "24:00":
            return timedelta(days=1)
        try:
            shown = time.fromisoformat(str(text))
        except ValueError:
            self.wrong(path, 'must be a time of day such as "09:00"')
            return timedelta(0)
        return timedelta(hours=shown.hour, minutes=shown.minute, seconds=shown.second)

    def duration(self, path: str, given: object, usual: timedelta) -> timedelta:
        if given is None:
            return usual
        found = SECONDS.fullmatch(str(given))
        if found is None:
            self.wrong(path, 'must be a duration in seconds such as "3600s"')
            return usual
        return timedelta(seconds=float(found[1]))

    def zone(self, path: str, name: str) -> ZoneInfo:
        return self.attempt(path, lambda: wall.zone_named(name), ZoneInfo("UTC"))

    def choice(self, path: str, given: object, kind: type[Choice], usual: Choice, prefix: str = "COMBINE_") -> Choice:
        word = str(given or "").removeprefix(prefix)
        if word in ("", "UNSPECIFIED"):
            return usual
        if word not in kind.__members__:
            self.wrong(path, f"{word!r} is not possible; give one of {', '.join(kind.__members__)}")
            return usual
        return kind[word]

    def attempt(self, path: str, parse: Callable[[], Found], otherwise: Found) -> Found:
        try:
            return parse()
        except ValueError as error:
            self.wrong(path, str(error))
            return otherwise

    def wrong(self, path: str, detail: str) -> None:
        self.problems.append((path, detail))
