"""Grafana OnCall, and Grafana Cloud IRM: what their API says, and what it means here.

The shifts of the highest level with somebody are on call, equal levels together. A shift of rolling users is a recurrence whose groups
take turns with each period.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tocsin_client.importing.api import MOST_PAGES, Api
from tocsin_client.importing.instants import instant, written
from tocsin_client.importing.model import Archive, Imported, Plain, Sender, Span, Unusable, items
from tocsin_client.importing.names import Names
from tocsin_oncall.wall import instant_of

DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
WAITS = "wait"
KINDS = {
    "alertmanager": "alertmanager-webhook",
    "grafana": "grafana",
    "grafana_alerting": "grafana",
    "legacy_grafana_alerting": "grafana",
    "webhook": "webhook",
    "formatted_webhook": "webhook",
    "inbound_email": "email",
    "sentry": "sentry",
    "sentry_platform": "sentry",
    "datadog": "datadog",
    "amazon_sns": "sns",
}
LAST_DELAY = "300s"


def headers(api_key: str) -> dict[str, str]:
    """What every request carries."""
    return {"authorization": api_key}


# Reading


def fetch(api: Api, since: datetime, until: datetime) -> dict[str, Any]:
    """Everything that is imported, and who is on call over the range."""
    schedules = list(_paged(api, "schedules"))
    span = {"start_date": since.date().isoformat(), "end_date": until.date().isoformat()}
    for schedule in schedules:
        schedule["final_shifts"] = list(_paged(api, f"schedules/{schedule['id']}/final_shifts", **span))
    names = (
        "users",
        "teams",
        "on_call_shifts",
        "escalation_chains",
        "escalation_policies",
        "routes",
        "integrations",
        "personal_notification_rules",
    )
    return {"schedules": schedules, **{name: list(_paged(api, name)) for name in names}}


def _paged(api: Api, name: str, **query: Any) -> Iterator[dict[str, Any]]:
    answer = api.maybe(f"/api/v1/{name}/", **query)
    for _ in range(MOST_PAGES):
        found = answer.get("results", []) if isinstance(answer, Mapping) else answer or []
        yield from found
        following = answer.get("next") if isinstance(answer, Mapping) else None
        if not following:
            return
        answer = api.get(following)


# Understanding


def convert(archive: Archive, names: Names, now: datetime, keys: Mapping[str, str]) -> Imported:
    """The configuration. The key of an integration is the last part of its address, else from `keys` by its name."""
    conversion = _Conversion(archive, names, now, keys)
    conversion.users()
    conversion.teams()
    conversion.schedules()
    conversion.chains()
    conversion.integrations()
    return conversion.made


class _Conversion:
    def __init__(self, archive: Archive, names: Names, now: datetime, keys: Mapping[str, str]) -> None:
        self.archive = archive
        self.names = names
        self.now = now
        self.keys = keys
        self.made = Imported()
        self.shifts = {str(each["id"]): each for each in items(archive, "on_call_shifts")}
        for user in items(archive, "users"):
            names.person(str(user["id"]), str(user.get("email") or ""), str(user.get("username") or user.get("email") or ""))
        for kind, resource in (("Team", "teams"), ("Schedule", "schedules"), ("EscalationPolicy", "escalation_chains")):
            for each in items(archive, resource):
                names.of(kind, str(each["id"]), str(each.get("name", "")))

    # People

    def users(self) -> None:
        for user in items(self.archive, "users"):
            name = self.names.of("Responder", str(user["id"]), "")
            zone = str(user.get("timezone") or "")
            self.made.add("Responder", name, {"display_name": user.get("username", ""), "time_zone": zone})
            method = ""
            if user.get("email"):
                method = self.names.of("ContactMethod", f"{user['id']}-email", f"{name}-email")
                self.made.add("ContactMethod", method, {"responder": name, "kind": "EMAIL", "address": user["email"]})
            self._rules(user, name, method)

    def _rules(self, user: Plain, responder: str, mail: str) -> None:
        """Its lists of steps with waits between, for what is important and what is not."""
        where = f"users/{user.get('username')}/personal_notification_rules"
        rules = [each for each in items(self.archive, "personal_notification_rules") if str(each.get("user_id")) == str(user["id"])]
        steps: dict[str, list[dict[str, Any]]] = {"high": [], "low": []}
        for urgency, important in (("high", True), ("low", False)):
            waited = 0
            for rule in sorted(
                (each for each in rules if bool(each.get("important")) is important), key=lambda each: int(each.get("position") or 0)
            ):
                kind = str(rule.get("type", ""))
                if kind == WAITS:
                    waited += int(rule.get("duration") or 0)
                elif kind == "notify_by_email" and mail:
                    steps[urgency].append({"contact_method": mail, **({"delay": f"{waited}s"} if waited else {})})
                else:
                    self.made.lose(where, f"{kind} after {waited} s", "left out: the API tells no address for it; enter a contact method")
        if any(steps.values()):
            self.made.add("PersonalRules", responder, steps)

    def teams(self) -> None:
        for team in items(self.archive, "teams"):
            members = [
                self.names.of("Responder", str(user["id"]), "")
                for user in items(self.archive, "users")
                if team["id"] in (user.get("teams") or [])
            ]
            self.made.add("Team", self.names.of("Team", str(team["id"]), ""), {"display_name": team.get("name", ""), "members": members})

    # Schedules

    def schedules(self) -> None:
        for schedule in items(self.archive, "schedules"):
            name = self.names.of("Schedule", str(schedule["id"]), "")
            where = f"schedules/{schedule.get('name')}"
            zone_name = str(schedule.get("time_zone") or "UTC")
            _zone(zone_name, where)
            shifts = [self._shift(each, where) for each in schedule.get("shifts") or []]
            known = [shift for shift in shifts if shift is not None]
            layers = [
                layer
                for shift in known
                if shift.get("type") not in ("single_event", "override")
                for layer in self._layers(shift, zone_name, where)
            ]
            overrides = [
                each
                for shift in known
                if shift.get("type") in ("single_event", "override")
                for each in self._singles(shift, zone_name, where)
            ]
            if schedule.get("type") == "ical":
                self.made.lose(where, f"is fed by {schedule.get('ical_url_primary')}", "fetch the calendar and give it as a layer's iCal")
            whole = {
                "display_name": schedule.get("name", ""),
                "time_zone": zone_name,
                "combine": "LEVEL",
                "layers": layers,
                "overrides": overrides,
            }
            self.made.replayed[name] = {"name": name, **whole}
            coming = [each for each in overrides if instant(each["until"], where) > self.now]
            self.made.add("Schedule", name, {**whole, "overrides": coming})
            self.made.rendered[name] = [self._span(each, where) for each in schedule.get("final_shifts") or []]

    def _shift(self, found: Any, where: str) -> Plain | None:
        """A schedule lists its shifts by id, or whole."""
        if isinstance(found, Mapping):
            return found
        shift = self.shifts.get(str(found))
        if shift is None:
            self.made.lose(where, f"the shift {found} was not read", "left out")
        return shift

    def _layers(self, shift: Plain, zone_name: str, where: str) -> Iterator[dict[str, Any]]:
        place = f"{where}/{shift.get('name') or shift.get('id')}"
        own_zone = str(shift.get("time_zone") or zone_name)
        _zone(own_zone, place)
        groups = [list(map(str, group)) for group in shift.get("rolling_users") or []] or [list(map(str, shift.get("users") or []))]
        first = int(shift.get("start_rotation_from_user_index") or 0) % len(groups)
        participants = [self._participant(group, place) for group in groups[first:] + groups[:first]]
        start = _wall(shift.get("start"), f"{place}/start")
        base: dict[str, Any] = {
            "name": self.names.of("Layer", str(shift["id"]), str(shift.get("name") or "shift")),
            "level": int(shift.get("level") or 0),
            "recurrence": {
                "rule": _rule(shift, place),
                "start": start.isoformat(timespec="seconds"),
                "lasts": f"{int(shift.get('duration') or 0)}s",
                "participants": participants,
                "advance": "PERIOD",
            },
        }
        if own_zone != zone_name:
            base["time_zone"] = own_zone
        if shift.get("rotation_start"):
            base["effective_from"] = _wall(shift["rotation_start"], f"{place}/rotation_start").isoformat(timespec="seconds")
        if shift.get("until"):
            base["effective_until"] = _wall(shift["until"], f"{place}/until").isoformat(timespec="seconds")
        yield base

    def _participant(self, group: list[str], where: str) -> dict[str, Any]:
        known = [name for each in group if (name := self.names.known("Responder", each)) is not None]
        if len(known) < len(group):
            self.made.lose(where, "names users who are not known", "left out of their group")
        if not known:
            return {"nobody": True}
        return {"responder": known[0]} if len(known) == 1 else {"group": {"responders": known}}

    def _singles(self, shift: Plain, zone_name: str, where: str) -> Iterator[dict[str, Any]]:
        """A shift that happens once adds its people; an override has the duty alone."""
        place = f"{where}/{shift.get('name') or shift.get('id')}"
        zone = _zone(str(shift.get("time_zone") or zone_name), place)
        since = instant_of(_wall(shift.get("start"), f"{place}/start"), zone)
        until = since + timedelta(seconds=int(shift.get("duration") or 0))
        users = [*map(str, shift.get("users") or []), *(str(each) for group in shift.get("rolling_users") or [] for each in group)]
        for number, user in enumerate(users):
            name = self.names.known("Responder", user)
            if name is None:
                self.made.lose(place, f"the user {user} is not known", "left out")
                continue
            kind = "COVER_ALL" if shift.get("type") == "override" and number == 0 else "ADD"
            said = "override of Grafana OnCall" if shift.get("type") == "override" else f"single shift {shift.get('name') or ''}".strip()
            yield {"kind": kind, "responder": name, "from": written(since), "until": written(until), "reason": said}

    def _span(self, entry: Plain, where: str) -> Span:
        name = self.names.known("Responder", str(entry.get("user_pk"))) or f"unknown {entry.get('user_username')}"
        start, end = (instant(entry.get(field), f"{where}/{field}") for field in ("shift_start", "shift_end"))
        return Span(start, end, frozenset({name}))

    # Escalation

    def chains(self) -> None:
        for chain in items(self.archive, "escalation_chains"):
            where = f"escalation_chains/{chain.get('name')}"
            found = [
                each for each in items(self.archive, "escalation_policies") if str(each.get("escalation_chain_id")) == str(chain["id"])
            ]
            steps, repeat = self._steps(sorted(found, key=lambda each: int(each.get("position") or 0)), where)
            if not steps:
                self.made.lose(where, "has no step that asks somebody who is known", "not imported")
                continue
            name = self.names.of("EscalationPolicy", str(chain["id"]), "")
            self.made.add("EscalationPolicy", name, {"display_name": chain.get("name", ""), "steps": steps, "repeat": repeat})

    def _steps(self, found: list[Plain], where: str) -> tuple[list[dict[str, Any]], int]:
        """Waits stand between steps there; here a step waits before the next one."""
        steps: list[dict[str, Any]] = []
        repeat = 0
        for each in found:
            kind = str(each.get("type", ""))
            if kind == WAITS:
                seconds = int(each.get("duration") or 60)
                if steps:
                    steps[-1]["delay"] = f"{int(str(steps[-1]['delay']).removesuffix('s')) + seconds}s"
                else:
                    self.made.lose(where, f"nobody is asked in the first {seconds} s", "the first step is asked at once")
            elif kind == "repeat_escalation":
                repeat = 5
            elif (step := self._step(kind, each)) is not None:
                steps.append(step)
            else:
                self.made.lose(where, f"the step {kind}", "left out")
        if steps and steps[-1]["delay"] == "0s":
            steps[-1]["delay"] = LAST_DELAY
        return steps, repeat

    def _step(self, kind: str, found: Plain) -> dict[str, Any] | None:
        people = [
            {"responder": name} for each in found.get("persons_to_notify") or [] if (name := self.names.known("Responder", str(each)))
        ]
        in_turn = [
            {"responder": name}
            for each in found.get("persons_to_notify_next_each_time") or []
            if (name := self.names.known("Responder", str(each)))
        ]
        schedule = self.names.known("Schedule", str(found.get("notify_on_call_from_schedule")))
        team = self.names.known("Team", str(found.get("notify_to_team_members") or found.get("notify_team_members")))
        match kind:
            case "notify_persons" if people:
                return {"targets": people, "delay": "0s"}
            case "notify_person_next_each_time" if in_turn:
                return {"targets": in_turn, "delay": "0s", "selection": "ROUND_ROBIN"}
            case "notify_on_call_from_schedule" if schedule:
                return {"targets": [{"schedule": schedule}], "delay": "0s"}
            case "notify_team_members" if team:
                return {"targets": [{"team": team}], "delay": "0s"}
        return None

    # Doors

    def integrations(self) -> None:
        for integration in items(self.archive, "integrations"):
            title, kind = str(integration.get("name", "")), str(integration.get("type", ""))
            name = self.names.of("Integration", str(integration["id"]), title)
            chain = (integration.get("default_route") or {}).get("escalation_chain_id")
            policy = self.names.known("EscalationPolicy", str(chain)) or ""
            service = self.names.of("Service", f"integration-{integration['id']}", title)
            self.made.add(
                "Service",
                service,
                {
                    "display_name": title,
                    "escalation_policy": policy,
                    "team": self.names.known("Team", str(integration.get("team_id"))) or "",
                },
            )
            here = KINDS.get(kind, "webhook")
            self.made.add(
                "Integration", name, {"kind": here, "service": service, "description": f"{kind} integration {title!r} of Grafana OnCall"}
            )
            key = (
                self.keys.get(title)
                or self.keys.get(name)
                or _key_in(str(integration.get("link") or integration.get("inbound_email") or ""))
            )
            if key and here != "email":
                self.made.keys[name] = key
            note = f"send to /{here}/<the same key>" if key else "its address was not told: give --keys, or rotate its key here"
            self.made.senders.append(Sender(title, kind, bool(key), note))
            if integration.get("templates") and any((integration["templates"] or {}).values()):
                self.made.lose(f"integrations/{title}/templates", "its Jinja templates", "not imported: a mapping with CEL says the same")
        for route in items(self.archive, "routes"):
            if route.get("routing_regex"):
                self.made.lose(
                    f"routes/{route.get('id')}", f"routes by {route['routing_regex']!r}", "not imported: write a Route by labels"
                )


def _rule(shift: Plain, where: str) -> str:
    frequency = str(shift.get("frequency") or "").upper()
    if frequency not in ("HOURLY", "DAILY", "WEEKLY", "MONTHLY"):
        raise Unusable(f"{where}/frequency: {shift.get('frequency')!r} is none of hourly, daily, weekly, monthly")
    parts = [f"FREQ={frequency}", f"INTERVAL={int(shift.get('interval') or 1)}"]
    for field, name in (("by_day", "BYDAY"), ("by_month", "BYMONTH"), ("by_monthday", "BYMONTHDAY")):
        if shift.get(field):
            parts.append(f"{name}={','.join(str(each) for each in shift[field])}")
    parts.append(f"WKST={shift.get('week_start') or 'SU'}")
    return ";".join(parts)


def _wall(text: Any, where: str) -> datetime:
    """A time without a zone, as its API writes them."""
    try:
        return datetime.fromisoformat(str(text).removesuffix("Z")).replace(tzinfo=None)
    except ValueError as error:
        raise Unusable(f"{where}: {text!r} is no time such as 2026-03-02T09:00:00") from error


def _zone(name: str, where: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError) as error:
        raise Unusable(f"{where}/time_zone: {name!r} is no zone of the IANA database") from error


def _key_in(link: str) -> str:
    """The token that ends an integration's address."""
    found = re.search(r"/([A-Za-z0-9]{16,})/?$", link)
    return found[1] if found else ""
