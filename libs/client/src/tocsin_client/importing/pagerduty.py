"""PagerDuty: what its REST API v2 says, and what it means here.

The first layer of a schedule's list hides those below it (top wins). A policy's delay is how long it stays at a rule.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tocsin_client.importing.api import MOST_PAGES, Api
from tocsin_client.importing.instants import anchored, instant, local, written
from tocsin_client.importing.model import Archive, Imported, Plain, Sender, Span, Unusable, items
from tocsin_client.importing.names import Names
from tocsin_client.importing.restrictions import time_of, window

URL = "https://api.pagerduty.com"
CHUNK = timedelta(days=30)
METHODS = {"email_contact_method": "EMAIL", "sms_contact_method": "SMS", "phone_contact_method": "VOICE"}
URGENCIES = {"high": "HIGH", "low": "LOW"}
# Zones are named as Rails does, or as the IANA database does.
RAILS_ZONES = {
    "Eastern Time (US & Canada)": "America/New_York",
    "Central Time (US & Canada)": "America/Chicago",
    "Mountain Time (US & Canada)": "America/Denver",
    "Pacific Time (US & Canada)": "America/Los_Angeles",
    "Arizona": "America/Phoenix",
    "Alaska": "America/Juneau",
    "Hawaii": "Pacific/Honolulu",
    "Atlantic Time (Canada)": "America/Halifax",
    "London": "Europe/London",
    "Dublin": "Europe/Dublin",
    "Lisbon": "Europe/Lisbon",
    "Amsterdam": "Europe/Amsterdam",
    "Berlin": "Europe/Berlin",
    "Bern": "Europe/Zurich",
    "Paris": "Europe/Paris",
    "Madrid": "Europe/Madrid",
    "Rome": "Europe/Rome",
    "Stockholm": "Europe/Stockholm",
    "Warsaw": "Europe/Warsaw",
    "Helsinki": "Europe/Helsinki",
    "Athens": "Europe/Athens",
    "Istanbul": "Europe/Istanbul",
    "Moscow": "Europe/Moscow",
    "Jerusalem": "Asia/Jerusalem",
    "Abu Dhabi": "Asia/Muscat",
    "Mumbai": "Asia/Kolkata",
    "New Delhi": "Asia/Kolkata",
    "Chennai": "Asia/Kolkata",
    "Kolkata": "Asia/Kolkata",
    "Singapore": "Asia/Singapore",
    "Beijing": "Asia/Shanghai",
    "Hong Kong": "Asia/Hong_Kong",
    "Tokyo": "Asia/Tokyo",
    "Seoul": "Asia/Seoul",
    "Sydney": "Australia/Sydney",
    "Melbourne": "Australia/Melbourne",
    "Brisbane": "Australia/Brisbane",
    "Adelaide": "Australia/Adelaide",
    "Perth": "Australia/Perth",
    "Auckland": "Pacific/Auckland",
    "Brasilia": "America/Sao_Paulo",
    "Buenos Aires": "America/Argentina/Buenos_Aires",
    "Bogota": "America/Bogota",
    "Mexico City": "America/Mexico_City",
    "UTC": "UTC",
}
KINDS = {
    "events_api_v2_inbound_integration": "pagerduty",
    "generic_events_api_inbound_integration": "pagerduty",
    "generic_email_inbound_integration": "email",
}
DAY = 86400
LEAST_DELAY = 1


def headers(api_key: str) -> dict[str, str]:
    """What every request carries."""
    return {"authorization": f"Token token={api_key}", "accept": "application/vnd.pagerduty+json;version=2"}


# Reading


def fetch(api: Api, since: datetime, until: datetime) -> dict[str, Any]:
    """Everything that is imported, and who is on call over the range."""
    schedules = []
    for listed in _paged(api, "/schedules", "schedules"):
        schedules.append(_schedule(api, listed, since, until))
    return {
        "users": list(_paged(api, "/users", "users", **{"include[]": ["contact_methods", "notification_rules"]})),
        "teams": [
            {**team, "members": list(_paged(api, f"/teams/{team['id']}/members", "members"))} for team in _paged(api, "/teams", "teams")
        ],
        "schedules": schedules,
        "escalation_policies": list(_paged(api, "/escalation_policies", "escalation_policies")),
        "services": list(_paged(api, "/services", "services", **{"include[]": ["integrations"]})),
        "business_services": list(_paged(api, "/business_services", "business_services")),
        "maintenance_windows": list(_paged(api, "/maintenance_windows", "maintenance_windows", filter="open")),
    }


def _schedule(api: Api, listed: Plain, since: datetime, until: datetime) -> dict[str, Any]:
    """One schedule with its overrides, and what it renders, month by month: longer spans are refused."""
    path, zone = f"/schedules/{listed['id']}", listed.get("time_zone", "UTC")
    whole: dict[str, Any] = {}
    entries: list[Any] = []
    overrides: dict[str, Any] = {}
    start = since
    while start < until:
        end = min(start + CHUNK, until)
        span = {"since": written(start), "until": written(end), "time_zone": zone}
        whole = api.get(path, overflow="true", **span)["schedule"]
        entries += (whole.get("final_schedule") or {}).get("rendered_schedule_entries") or []
        for override in (api.maybe(f"{path}/overrides", **span) or {}).get("overrides", []):
            overrides[str(override["id"])] = override
        start = end
    return {**whole, "overrides": list(overrides.values()), "final_schedule": {"rendered_schedule_entries": entries}}


def _paged(api: Api, path: str, name: str, **query: Any) -> Iterator[dict[str, Any]]:
    for page in range(MOST_PAGES):
        answer = api.maybe(path, limit=100, offset=100 * page, **query) or {}
        yield from answer.get(name) or []
        if not answer.get("more"):
            return


# Understanding


def convert(archive: Archive, names: Names, now: datetime, keys: Mapping[str, str]) -> Imported:
    """The configuration. Integration keys are read where the API tells them, else from `keys` by the integration's or service's name."""
    conversion = _Conversion(archive, names, now, keys)
    conversion.users()
    conversion.teams()
    conversion.schedules()
    conversion.policies()
    conversion.services()
    conversion.rest()
    return conversion.made


class _Conversion:
    def __init__(self, archive: Archive, names: Names, now: datetime, keys: Mapping[str, str]) -> None:
        self.archive = archive
        self.names = names
        self.now = now
        self.keys = keys
        self.made = Imported()
        for user in items(archive, "users"):
            mailbox = str(user.get("email", ""))
            names.person(str(user["id"]), mailbox, mailbox.partition("@")[0] or str(user.get("name", "")))
        for kind, resource in (
            ("Team", "teams"),
            ("Schedule", "schedules"),
            ("EscalationPolicy", "escalation_policies"),
            ("Service", "services"),
        ):
            for each in items(archive, resource):
                names.of(kind, str(each["id"]), str(each.get("name") or each.get("summary") or ""))

    # People

    def users(self) -> None:
        for user in items(self.archive, "users"):
            name = self.names.of("Responder", str(user["id"]), "")
            where = f"users/{user.get('email') or user.get('name')}"
            zone = _zone_name(str(user.get("time_zone") or "UTC"), f"{where}/time_zone")
            self.made.add("Responder", name, {"display_name": user.get("name", ""), "time_zone": zone})
            methods: dict[str, str] = {}
            for method in user.get("contact_methods") or []:
                kind = str(method.get("type", "")).removesuffix("_reference")
                if kind not in METHODS:
                    self.made.lose(
                        f"{where}/contact_methods",
                        f"the contact method {kind!r}",
                        "not imported; people register ntfy, Telegram or Web Push here",
                    )
                    continue
                here = METHODS[kind]
                text = str(method.get("address", ""))
                address = (
                    text
                    if here == "EMAIL"
                    else f"+{method.get('country_code') or 1}{''.join(letter for letter in text if letter.isdigit())}"
                )
                methods[str(method["id"])] = self.names.of("ContactMethod", str(method["id"]), f"{name}-{here.lower()}")
                self.made.add("ContactMethod", methods[str(method["id"])], {"responder": name, "kind": here, "address": address})
            if not methods and user.get("email"):
                own = self.names.of("ContactMethod", f"{user['id']}-email", f"{name}-email")
                self.made.add("ContactMethod", own, {"responder": name, "kind": "EMAIL", "address": user["email"]})
            self._rules(user, name, methods)

    def _rules(self, user: Plain, responder: str, methods: Mapping[str, str]) -> None:
        steps: dict[str, list[dict[str, Any]]] = {"high": [], "low": []}
        rules = sorted(user.get("notification_rules") or [], key=lambda rule: int(rule.get("start_delay_in_minutes") or 0))
        for rule in rules:
            method = methods.get(str((rule.get("contact_method") or {}).get("id")))
            urgency = str(rule.get("urgency") or "high")
            if method is None or urgency not in steps:
                continue
            delay = int(rule.get("start_delay_in_minutes") or 0)
            steps[urgency].append({"contact_method": method, **({"delay": f"{delay * 60}s"} if delay else {})})
        if any(steps.values()):
            self.made.add("PersonalRules", responder, steps)

    def teams(self) -> None:
        for team in items(self.archive, "teams"):
            members = [
                (self.names.known("Responder", str((each.get("user") or {}).get("id"))), each.get("role"))
                for each in team.get("members") or []
            ]
            known = [(name, role) for name, role in members if name is not None]
            if len(known) < len(members):
                self.made.lose(f"teams/{team.get('name')}", "has members who are no known users", "left out")
            self.made.add(
                "Team",
                self.names.of("Team", str(team["id"]), ""),
                {
                    "display_name": team.get("name", ""),
                    "members": [name for name, _ in known],
                    "managers": [name for name, role in known if role == "manager"],
                },
            )

    # Schedules

    def schedules(self) -> None:
        for schedule in items(self.archive, "schedules"):
            name = self.names.of("Schedule", str(schedule["id"]), "")
            where = f"schedules/{schedule.get('name')}"
            zone_name = _zone_name(str(schedule.get("time_zone") or "UTC"), f"{where}/time_zone")
            zone = ZoneInfo(zone_name)
            layers = [self._layer(layer, zone, where) for layer in schedule.get("schedule_layers") or []]
            overrides = list(self._overrides(schedule, where))
            whole = {
                "display_name": schedule.get("name", ""),
                "time_zone": zone_name,
                "combine": "TOP_WINS",
                "layers": layers,
                "overrides": overrides,
            }
            self.made.replayed[name] = {"name": name, **whole}
            lasting = [layer for layer in layers if "effective_until" not in layer or instant(layer["effective_until"], where) > self.now]
            if len(lasting) < len(layers):
                self.made.lose(where, f"{len(layers) - len(lasting)} layers have ended", "their past is compared, and not imported")
            coming = [each for each in overrides if instant(each["until"], where) > self.now]
            self.made.add("Schedule", name, {**whole, "layers": lasting, "overrides": coming})
            entries = (schedule.get("final_schedule") or {}).get("rendered_schedule_entries") or []
            self.made.rendered[name] = [self._span(entry, where) for entry in entries]

    def _layer(self, layer: Plain, zone: ZoneInfo, where: str) -> dict[str, Any]:
        place = f"{where}/{layer.get('name') or layer.get('id')}"
        name = self.names.of("Layer", str(layer["id"]), str(layer.get("name") or "layer"))
        anchor = local(instant(layer.get("rotation_virtual_start") or layer.get("start"), f"{place}/rotation_virtual_start"), zone)
        participants = []
        for entry in layer.get("users") or []:
            user = entry.get("user") or {}
            found = self.names.known("Responder", str(user.get("id")))
            if found is None:
                self.made.lose(place, f"{user.get('summary') or user.get('id')} is no known user", "a turn of nobody")
            participants.append({"responder": found} if found else {"nobody": True})
        made: dict[str, Any] = {
            "name": name,
            "effective_from": written(instant(layer.get("start"), f"{place}/start")),
            "rotation": {
                **_turns(int(layer.get("rotation_turn_length_seconds") or 0), place),
                **anchored(anchor),
                "participants": participants,
            },
        }
        if layer.get("end"):
            made["effective_until"] = written(instant(layer["end"], f"{place}/end"))
        windows = [each for each in (_window(one, place) for one in layer.get("restrictions") or []) if each is not None]
        if windows:
            made["windows"] = windows
        return made

    def _overrides(self, schedule: Plain, where: str) -> Iterator[dict[str, Any]]:
        for override in schedule.get("overrides") or []:
            place = f"{where}/overrides/{override.get('id')}"
            found = self.names.known("Responder", str((override.get("user") or {}).get("id")))
            if found is None:
                self.made.lose(place, "names somebody who is no known user", "left out")
                continue
            since, until = (written(instant(override.get(field), f"{place}/{field}")) for field in ("start", "end"))
            yield {"kind": "COVER_ALL", "responder": found, "from": since, "until": until, "reason": "override of PagerDuty"}

    def _span(self, entry: Plain, where: str) -> Span:
        user = entry.get("user") or {}
        name = self.names.known("Responder", str(user.get("id"))) or f"unknown {user.get('summary') or user.get('id')}"
        return Span(instant(entry.get("start"), f"{where}/start"), instant(entry.get("end"), f"{where}/end"), frozenset({name}))

    # Policies

    def policies(self) -> None:
        for policy in items(self.archive, "escalation_policies"):
            where = f"escalation_policies/{policy.get('name')}"
            steps = []
            for number, rule in enumerate(policy.get("escalation_rules") or []):
                targets = [target for each in rule.get("targets") or [] if (target := self._target(each, where)) is not None]
                if not targets:
                    self.made.lose(where, f"rule {number + 1} asks nobody who is known", "left out")
                    continue
                minutes = float(rule.get("escalation_delay_in_minutes") or 0)
                step: dict[str, Any] = {"targets": targets, "delay": f"{max(int(minutes * 60), LEAST_DELAY)}s"}
                strategy = rule.get("escalation_rule_assignment_strategy") or {}
                if (strategy.get("type") if isinstance(strategy, Mapping) else strategy) == "round_robin":
                    step["selection"] = "ROUND_ROBIN"
                steps.append(step)
            if not steps:
                self.made.lose(where, "has no rule that asks somebody who is known", "not imported")
                continue
            timeouts, urgency = self._of_services(policy, where)
            self.made.add(
                "EscalationPolicy",
                self.names.of("EscalationPolicy", str(policy["id"]), ""),
                {
                    "display_name": policy.get("name", ""),
                    "steps": steps,
                    "repeat": int(policy.get("num_loops") or 0),
                    "acknowledge_timeouts": timeouts,
                    "urgency_rules": urgency,
                },
            )

    def _target(self, found: Plain, where: str) -> dict[str, Any] | None:
        kind = str(found.get("type", "")).removesuffix("_reference")
        if kind == "user" and (name := self.names.known("Responder", str(found.get("id")))) is not None:
            return {"responder": name}
        if kind in ("schedule", "schedule_v3") and (name := self.names.known("Schedule", str(found.get("id")))) is not None:
            return {"schedule": name}
        self.made.lose(where, f"asks {kind} {found.get('summary') or found.get('id')}, which is not known", "left out")
        return None

    def _of_services(self, policy: Plain, where: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """What PagerDuty says at a service and here is said by its policy: how long an acknowledgement is good for, and urgency."""
        services = [
            each for each in items(self.archive, "services") if str((each.get("escalation_policy") or {}).get("id")) == str(policy["id"])
        ]
        seconds = {int(each.get("acknowledgement_timeout") or 0) for each in services}
        if len(seconds) > 1:
            self.made.lose(
                where,
                f"its services have different acknowledgement timeouts ({sorted(seconds)} s)",
                "the shortest that is not off is taken",
            )
        timeouts = [each for each in sorted(seconds) if each]
        urgencies = {_urgency(each.get("incident_urgency_rule") or {}) for each in services}
        if len(urgencies) > 1 or "support hours" in urgencies:
            self.made.lose(
                where, "its services have urgencies by support hours, or different ones", "high: write urgency rules, or policies for each"
            )
        low = urgencies == {"low"}
        return (
            [{"after": f"{max(timeouts[0], 60)}s"}] if timeouts else [],
            [{"urgency": "LOW"}] if low else [],
        )

    # Services

    def services(self) -> None:
        for service in items(self.archive, "services"):
            name = self.names.of("Service", str(service["id"]), "")
            where = f"services/{service.get('name')}"
            team = next((found for each in service.get("teams") or [] if (found := self.names.known("Team", str(each.get("id"))))), "")
            policy = self.names.known("EscalationPolicy", str((service.get("escalation_policy") or {}).get("id"))) or ""
            what = {
                "display_name": service.get("name", ""),
                "description": service.get("description") or "",
                "team": team,
                "escalation_policy": policy,
            }
            self.made.add("Service", name, what)
            if service.get("auto_resolve_timeout"):
                self.made.lose(
                    where,
                    f"auto_resolve_timeout of {service['auto_resolve_timeout']} s",
                    "not imported: alerts end when their sender says so",
                )
            for field in ("alert_grouping_parameters", "auto_pause_notifications_parameters"):
                if (service.get(field) or {}).get("type") or (service.get(field) or {}).get("enabled"):
                    self.made.lose(where, field, "not imported: group_by of the service, and noise rules")
            for integration in service.get("integrations") or []:
                self._integration(integration, service, name)

    def _integration(self, integration: Plain, service: Plain, service_name: str) -> None:
        kind = str(integration.get("type", "")).removesuffix("_reference")
        title = str(integration.get("name") or integration.get("summary") or kind)
        name = self.names.of("Integration", str(integration["id"]), f"{service.get('name')}-{title}")
        here = KINDS.get(kind, "pagerduty")
        known = (self.keys.get(each) for each in (title, str(integration["id"]), name))
        key = integration.get("integration_key") or next((each for each in known if each), None)
        description = f"{title!r} of the PagerDuty service {service.get('name')!r}"
        self.made.add("Integration", name, {"kind": here, "service": service_name, "description": description[:1000]})
        if key and here == "pagerduty":
            self.made.keys[name] = str(key)
        note = "send to /v2/enqueue with the same key" if key else "its key was not told: give --keys, or rotate it here"
        if here == "email":
            note = "mail goes to a new address"
        self.made.senders.append(Sender(f"{service.get('name')}: {title}", kind, bool(key), note))

    def rest(self) -> None:
        for each in items(self.archive, "maintenance_windows"):
            self.made.lose(
                "maintenance_windows", str(each.get("description") or each.get("id")), "not imported: plan a maintenance window by service"
            )
        for each in items(self.archive, "business_services"):
            name = self.names.of("Service", str(each["id"]), str(each.get("name", "")))
            self.made.add("Service", name, {"display_name": each.get("name", ""), "description": each.get("description") or ""})


def _turns(seconds: int, where: str) -> dict[str, Any]:
    if seconds <= 0:
        raise Unusable(f"{where}/rotation_turn_length_seconds: {seconds} is no length")
    for unit, length in (("WEEKLY", 7 * DAY), ("DAILY", DAY), ("HOURLY", 3600)):
        if seconds % length == 0:
            return {"unit": unit, "length": seconds // length}
    return {"unit": "CUSTOM", "length": seconds}


def _window(restriction: Plain, where: str) -> dict[str, Any] | None:
    try:
        start, lasts = time_of(str(restriction.get("start_time_of_day"))), timedelta(seconds=int(restriction.get("duration_seconds") or 0))
    except ValueError as error:
        raise Unusable(f"{where}/restrictions: {restriction.get('start_time_of_day')!r} is no time of day") from error
    if restriction.get("type") == "weekly_restriction":
        return window(int(restriction.get("start_day_of_week") or 1) - 1, start, lasts)
    return window(None, start, lasts)


def _urgency(rule: Plain) -> str:
    if rule.get("type") == "use_support_hours":
        return "support hours"
    return "low" if rule.get("urgency") == "low" else "high"


def _zone_name(name: str, where: str) -> str:
    found = RAILS_ZONES.get(name, name)
    try:
        ZoneInfo(found)
    except (ValueError, OSError, KeyError) as error:
        raise Unusable(f"{where}: {name!r} is no zone of the IANA database") from error
    return found
