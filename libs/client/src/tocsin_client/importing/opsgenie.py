"""Opsgenie: what its API says, and what it means here; `jsm` puts the successor's answers into the same shapes.

Rotations of a schedule are all on call at once (union). Delays of an escalation count from its beginning, here from step to step.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tocsin_client.importing.api import MOST_PAGES, Api
from tocsin_client.importing.instants import anchored, instant, local, written
from tocsin_client.importing.model import Archive, Imported, Plain, Sender, Span, Unusable, items
from tocsin_client.importing.names import Names
from tocsin_client.importing.restrictions import LONG_DAYS, between, clock

URL = "https://api.opsgenie.com"
EU_URL = "https://api.eu.opsgenie.com"
UNITS = {"hourly": "HOURLY", "daily": "DAILY", "weekly": "WEEKLY"}
METHODS = {"email": "EMAIL", "sms": "SMS", "voice": "VOICE"}
SEVERITIES = {"P1": "SEV1", "P2": "SEV2", "P3": "SEV3", "P4": "SEV4", "P5": "SEV5"}
# Kinds of integration that speak a format of their own here; everything else that has a key speaks Opsgenie's.
KINDS = {"Email": "email", "Heartbeat": "heartbeat", "AmazonSns": "sns", "CloudWatch": "sns"}
# Kinds that send something out, and take no alerts.
OUTWARD = frozenset({"Webhook", "Slack", "SlackApp", "MicrosoftTeams", "MSTeams", "Jira", "ServiceNow", "Zoom", "Statuspage"})
LAST_DELAY = timedelta(minutes=5)
LEAST_DELAY = timedelta(seconds=1)


# Reading


def fetch(api: Api, since: datetime, until: datetime) -> dict[str, Any]:
    """Everything that is imported, and who was on call since then."""
    users = list(_paged(api, "/v2/users", limit=100))
    for user in users:
        user["contacts"] = _data(api.maybe(f"/v2/users/{user['id']}/contacts")) or []
        rules = _data(api.maybe(f"/v2/users/{user['id']}/notification-rules")) or []
        user["notificationRules"] = [
            {**rule, "steps": _data(api.maybe(f"/v2/users/{user['id']}/notification-rules/{rule['id']}/steps")) or rule.get("steps", [])}
            for rule in rules
        ]
    teams = [_data(api.get(f"/v2/teams/{team['id']}")) for team in _paged(api, "/v2/teams")]
    for team in teams:
        team["routingRules"] = _data(api.maybe(f"/v2/teams/{team['id']}/routing-rules")) or []
    schedules = list(_paged(api, "/v2/schedules", expand="rotation"))
    for schedule in schedules:
        schedule["overrides"] = _overrides(api, schedule["id"])
        schedule["timeline"] = _data(
            api.maybe(
                f"/v2/schedules/{schedule['id']}/timeline",
                interval=8,
                intervalUnit="months",
                date=written(since),
                expand="forwarding,override",
            )
        )
    return {
        "users": users,
        "teams": teams,
        "schedules": schedules,
        "escalations": list(_paged(api, "/v2/escalations")),
        "forwarding_rules": list(_paged(api, "/v2/forwarding-rules")),
        "integrations": list(_paged(api, "/v2/integrations")),
        "heartbeats": (_data(api.maybe("/v2/heartbeats")) or {}).get("heartbeats", []),
        "services": list(_paged(api, "/v1/services")),
        "maintenance": list(_paged(api, "/v1/maintenance", type="non-expired")),
    }


def _overrides(api: Api, schedule_id: str) -> list[Any]:
    """The list leaves out which rotations an override is for: each is read by itself."""
    listed = _data(api.maybe(f"/v2/schedules/{schedule_id}/overrides")) or []
    return [_data(api.maybe(f"/v2/schedules/{schedule_id}/overrides/{each['alias']}")) or each for each in listed]


def _paged(api: Api, path: str, **query: Any) -> Iterator[dict[str, Any]]:
    answer = api.maybe(path, **query)
    for _ in range(MOST_PAGES):
        found = _data(answer)
        yield from found if isinstance(found, list) else []
        following = ((answer or {}).get("paging") or {}).get("next")
        if not following:
            return
        answer = api.get(following)


def _data(answer: Any) -> Any:
    return answer.get("data") if isinstance(answer, Mapping) else None


# Understanding


def convert(archive: Archive, names: Names, now: datetime, keys: Mapping[str, str], system: str = "Opsgenie") -> Imported:
    """The configuration. `keys` are the integrations' keys by the integration's name, as far as somebody has them; `system` is what
    people call the other side."""
    conversion = _Conversion(archive, names, now, keys, system)
    conversion.users()
    conversion.teams()
    conversion.schedules()
    conversion.escalations()
    conversion.services()
    conversion.integrations()
    conversion.heartbeats()
    conversion.rest()
    return conversion.made


class _Conversion:
    def __init__(self, archive: Archive, names: Names, now: datetime, keys: Mapping[str, str], system: str) -> None:
        self.archive = archive
        self.system = system
        self.names = names
        self.now = now
        self.keys = keys
        self.made = Imported()
        self.wrapped: set[str] = set()
        for user in items(archive, "users"):
            mailbox = str(user.get("username", ""))
            self.names.person(_id(user), mailbox, mailbox.partition("@")[0] or str(user.get("fullName", "")))
        for kind, resource in (("Team", "teams"), ("Schedule", "schedules"), ("EscalationPolicy", "escalations")):
            for each in items(archive, resource):
                self.names.of(kind, _id(each), str(each.get("name", "")))
        self.by_name = {
            (resource, str(each.get("name", ""))): _id(each)
            for resource in ("schedules", "escalations", "teams")
            for each in items(archive, resource)
        }
        self.by_username = {str(user["username"]).lower(): _id(user) for user in items(archive, "users") if user.get("username")}

    # People

    def users(self) -> None:
        for user in items(self.archive, "users"):
            name = self.names.of("Responder", _id(user), "")
            self.made.add("Responder", name, {"display_name": user.get("fullName", ""), "time_zone": user.get("timeZone", "")})
            self._contacts(user, name)
            if user.get("blocked"):
                self.made.lose(
                    f"users/{user.get('username')}", f"is blocked in {self.system}", "imported; remove them from schedules and teams"
                )

    def _contacts(self, user: Plain, responder: str) -> None:
        contacts = user.get("contacts") or user.get("userContacts") or []
        username = str(user.get("username", ""))
        if "@" in username and not any(each.get("method") == "email" for each in contacts):
            contacts = [{"id": f"{_id(user)}-username", "method": "email", "to": username}, *contacts]
        methods: dict[tuple[str, str], str] = {}
        for contact in contacts:
            method, to = str(contact.get("method") or contact.get("contactMethod", "")), str(contact.get("to", ""))
            if method not in METHODS:
                instead = "not imported; people register ntfy, Telegram or Web Push here"
                self.made.lose(f"users/{username}/contacts", f"the contact method {method!r}", instead)
                continue
            name = self.names.of("ContactMethod", str(contact.get("id") or f"{_id(user)}-{method}-{to}"), f"{responder}-{method}")
            methods[(method, to)] = name
            address = to if method == "email" else _phone(to)
            self.made.add("ContactMethod", name, {"responder": responder, "kind": METHODS[method], "address": address})
            if (contact.get("status") or {}).get("enabled") is False:
                self.made.lose(
                    f"users/{username}/contacts/{to}", f"is switched off in {self.system}", "imported; remove it if nobody may use it"
                )
        self._rules(user, responder, methods)

    def _rules(self, user: Plain, responder: str, methods: Mapping[tuple[str, str], str]) -> None:
        where = f"users/{user.get('username')}/notification-rules"
        rules = user.get("notificationRules") or user.get("notificationRuleList") or []
        wanted = [rule for rule in rules if rule.get("actionType") == "create-alert" and rule.get("enabled", True)]
        for rule in [rule for rule in rules if rule not in wanted]:
            self.made.lose(
                where,
                f"the rule {rule.get('name')!r} for {rule.get('actionType')}",
                "not imported: personal rules here are for being asked",
            )
        steps: list[dict[str, Any]] = []
        for rule in wanted[:1]:
            for step in rule.get("steps", []):
                contact = step.get("contact") or {}
                method = methods.get((str(contact.get("method", "")), str(contact.get("to", ""))))
                if method is None or not step.get("enabled", True):
                    continue
                steps.append(_step(method, _amount(step.get("sendAfter"))))
            if (rule.get("criteria") or {}).get("type") not in (None, "match-all"):
                self.made.lose(where, f"the criteria of {rule.get('name')!r}", "its steps are used for everything that is urgent")
        for rule in wanted[1:]:
            self.made.lose(where, f"another rule for new alerts, {rule.get('name')!r}", "only the first one is imported")
        if steps:
            self.made.add("PersonalRules", responder, {"high": steps})

    def _responder(self, recipient: Plain) -> str | None:
        """The name here of the user that a recipient names."""
        identity = str(recipient.get("id") or "")
        found = self.names.known("Responder", identity) if identity else None
        return found or self.names.known(
            "Responder", self.by_username.get(str(recipient.get("username") or recipient.get("name") or "").lower(), "?")
        )

    # Teams

    def teams(self) -> None:
        for team in items(self.archive, "teams"):
            members: list[str] = []
            managers: list[str] = []
            for member in team.get("members") or []:
                name = self._responder(member.get("user") or {})
                if name is None:
                    self.made.lose(f"teams/{team.get('name')}/members", f"{member.get('user')} is no known user", "left out")
                    continue
                members.append(name)
                if member.get("role") == "admin":
                    managers.append(name)
            self.made.add(
                "Team",
                self._named("Team", team),
                {"display_name": team.get("name", ""), "members": _once(members), "managers": _once(managers)},
            )

    def _named(self, kind: str, found: Plain) -> str:
        return self.names.of(kind, _id(found), str(found.get("name", "")))

    # Schedules

    def schedules(self) -> None:
        for schedule in items(self.archive, "schedules"):
            name = self._named("Schedule", schedule)
            zone_name = str(schedule.get("timezone") or schedule.get("timeZone") or "UTC")
            where = f"schedules/{schedule.get('name')}"
            zone = _zone(zone_name, where)
            layers = [self._layer(rotation, zone, where) for rotation in schedule.get("rotations") or []]
            overrides = [*self._overrides(schedule, layers, where), *self._forwardings(schedule, where)]
            whole = {
                "display_name": schedule.get("name", ""),
                "time_zone": zone_name,
                "combine": "UNION",
                "layers": layers,
                "overrides": overrides,
            }
            self.made.replayed[name] = {"name": name, **whole}
            lasting = [layer for layer in layers if not _ended(layer, self.now)]
            for layer in [layer for layer in layers if layer not in lasting]:
                self.made.lose(f"{where}/rotations/{layer['name']}", "has ended", "its past is compared, and not imported")
            kept = {layer["name"] for layer in lasting}
            coming = [each for each in overrides if _until(each) > self.now and each.get("layer", "") in {"", *kept}]
            self.made.add("Schedule", name, {**whole, "layers": lasting, "overrides": coming})
            if schedule.get("enabled") is False:
                self.made.lose(
                    where,
                    f"is switched off in {self.system}: nobody is asked by it",
                    "imported; take it out of policies if it shall stay off",
                )
            timeline = schedule.get("timeline")
            if timeline:
                self.made.rendered[name] = list(self._spans(timeline, where))

    def _layer(self, rotation: Plain, zone: ZoneInfo, where: str) -> dict[str, Any]:
        place = f"{where}/rotations/{rotation.get('name') or rotation.get('id')}"
        kind = str(rotation.get("type", ""))
        if kind not in UNITS:
            raise Unusable(f"{place}/type: {kind!r} is none of {', '.join(UNITS)}")
        name = self.names.of("Layer", _id(rotation), str(rotation.get("name") or "rotation"))
        start = local(instant(rotation.get("startDate"), f"{place}/startDate"), zone)
        turns: dict[str, Any] = {"unit": UNITS[kind], "length": int(rotation.get("length") or 1), **anchored(start)}
        participants = [self._participant(each, place) for each in rotation.get("participants") or []]
        layer: dict[str, Any] = {"name": name, "rotation": {**turns, "participants": participants}}
        if rotation.get("endDate"):
            layer["effective_until"] = written(instant(rotation["endDate"], f"{place}/endDate"))
        windows = list(_windows(rotation.get("timeRestriction") or {}, place))
        if windows:
            layer["windows"] = windows
        return layer

    def _participant(self, found: Plain, where: str) -> dict[str, Any]:
        kind = str(found.get("type", "user"))
        if kind in ("none", "noone"):
            return {"nobody": True}
        if kind in ("team", "escalation"):
            target = "Team" if kind == "team" else "EscalationPolicy"
            name = self._target(target, found)
            if name is not None:
                return {"team" if kind == "team" else "escalation_policy": name}
        elif (name := self._responder(found)) is not None:
            return {"responder": name}
        self.made.lose(
            where, f"the participant {found.get('username') or found.get('name') or found.get('id')} is no known {kind}", "a turn of nobody"
        )
        return {"nobody": True}

    def _target(self, kind: str, found: Plain) -> str | None:
        resource = {"Team": "teams", "Schedule": "schedules", "EscalationPolicy": "escalations"}[kind]
        known = self.names.known(kind, str(found.get("id") or ""))
        return known or self.names.known(kind, self.by_name.get((resource, str(found.get("name", ""))), "?"))

    def _overrides(self, schedule: Plain, layers: Sequence[Plain], where: str) -> Iterator[dict[str, Any]]:
        for override in schedule.get("overrides") or schedule.get("scheduleOverrideList") or []:
            place = f"{where}/overrides/{override.get('alias')}"
            user = override.get("user") or {}
            name = "" if user.get("type") in ("none", "noone") else self._responder(user)
            if name is None:
                self.made.lose(place, f"{user} is no known user", "left out")
                continue
            made = {
                "kind": "COVER_ALL",
                "from": written(instant(override.get("startDate"), f"{place}/startDate")),
                "until": written(instant(override.get("endDate"), f"{place}/endDate")),
                "reason": f"override of {self.system}",
                **({"responder": name} if name else {}),
            }
            scopes = [self.names.known("Layer", str(each.get("id"))) for each in override.get("rotations") or []]
            for layer in scopes or [""]:
                if layer is None:
                    self.made.lose(place, "names a rotation that is not there", "left out")
                else:
                    yield {**made, "layer": layer} if layer else made

    def _forwardings(self, schedule: Plain, where: str) -> Iterator[dict[str, Any]]:
        """A forwarding rule holds for every schedule of the one who forwards."""
        taking_part = {str(each.get("id")) for rotation in schedule.get("rotations") or [] for each in rotation.get("participants") or []}
        for rule in items(self.archive, "forwarding_rules"):
            giver, taker = rule.get("fromUser") or {}, rule.get("toUser") or {}
            if str(giver.get("id")) not in taking_part:
                continue
            place = f"forwarding-rules/{rule.get('alias') or rule.get('id')}"
            names = self._responder(giver), self._responder(taker)
            if None in names:
                self.made.lose(place, "names somebody who is no known user", "left out")
                continue
            yield {
                "kind": "REPLACE",
                "instead_of_responder": names[0],
                "responder": names[1],
                "from": written(instant(rule.get("startDate"), f"{place}/startDate")),
                "until": written(instant(rule.get("endDate"), f"{place}/endDate")),
                "reason": f"forwarding rule of {self.system}",
            }

    def _spans(self, timeline: Plain, where: str) -> Iterator[Span]:
        rotations = (timeline.get("finalTimeline") or timeline).get("rotations") or []
        for rotation in rotations:
            for period in rotation.get("periods") or []:
                place = f"{where}/timeline"
                start, end = (instant(period.get(field), f"{place}/{field}") for field in ("startDate", "endDate"))
                flat = period.get("flattenedRecipients") or [period.get("recipient") or {}]
                people = [
                    self._responder(each) or f"unknown {each.get('name') or each.get('id')}"
                    for each in flat
                    if each.get("type", "user") == "user"
                ]
                if people and start < end:
                    yield Span(start, end, frozenset(people))

    # Escalations

    def escalations(self) -> None:
        for escalation in items(self.archive, "escalations"):
            where = f"escalations/{escalation.get('name')}"
            rules = sorted(escalation.get("rules") or [], key=lambda rule: _amount(rule.get("delay")))
            steps = self._steps(rules, escalation, where)
            if not steps:
                self.made.lose(where, "no step asks anybody who is known", "not imported")
                continue
            repeat = escalation.get("repeat") or {}
            if repeat.get("resetRecipientStates"):
                self.made.lose(
                    f"{where}/repeat",
                    "resetRecipientStates: who had seen the alert is asked again",
                    "everybody is asked again at each repeat here",
                )
            if repeat.get("closeAlertAfterAll"):
                self.made.lose(
                    f"{where}/repeat",
                    "closeAlertAfterAll: the alert is closed at the end",
                    "an incident stays open until somebody or its alert ends it",
                )
            self.made.add(
                "EscalationPolicy",
                self._named("EscalationPolicy", escalation),
                {
                    "display_name": escalation.get("name", ""),
                    "steps": steps,
                    "repeat": int(repeat.get("count") or 0) if repeat.get("waitInterval") else 0,
                },
            )

    def _steps(self, rules: Sequence[Plain], escalation: Plain, where: str) -> list[dict[str, Any]]:
        """Rules that begin at the same time are one step; each waits until the next one begins."""
        groups: list[tuple[timedelta, str, list[dict[str, Any]], bool]] = []
        for rule in rules:
            begins, condition = _amount(rule.get("delay")), str(rule.get("condition", "if-not-acked"))
            targets, one_of_them = self._targets(rule, where)
            if not targets:
                continue
            if groups and groups[-1][:2] == (begins, condition) and groups[-1][3] == one_of_them:
                groups[-1][2].extend(each for each in targets if each not in groups[-1][2])
            else:
                groups.append((begins, condition, targets, one_of_them))
        if groups and groups[0][0]:
            self.made.lose(where, f"nobody is asked in the first {_text(groups[0][0])}", "the first step is asked at once")
        wait = _amount((escalation.get("repeat") or {}).get("waitInterval")) or LAST_DELAY
        steps = []
        for number, (begins, condition, targets, one_of_them) in enumerate(groups):
            last = number == len(groups) - 1
            delay = wait if last else groups[number + 1][0] - begins
            step: dict[str, Any] = {"targets": targets, "delay": _text(max(delay, LEAST_DELAY) if last else delay)}
            if condition == "if-not-closed":
                step["guard"] = "IF_NOT_CLOSED"
            if one_of_them:
                step["selection"] = "ROUND_ROBIN"
            steps.append(step)
        return steps

    def _targets(self, rule: Plain, where: str) -> tuple[list[dict[str, Any]], bool]:
        """Whom a rule asks, and whether only one of them."""
        recipient, how = rule.get("recipient") or {}, str(rule.get("notifyType", "default"))
        if how == "random":
            self.made.lose(where, "a random member is asked", "the members are asked in turn, so that nobody is asked twice in a row")
        match str(recipient.get("type", "")):
            case "user" if (name := self._responder(recipient)) is not None:
                return [{"responder": name}], False
            case "schedule" if (name := self._target("Schedule", recipient)) is not None:
                turn = {"next": "NEXT", "previous": "PREVIOUS"}.get(how)
                return [{"schedule": name, **({"turn": turn} if turn else {})}], False
            case "team" if (name := self._target("Team", recipient)) is not None:
                if how == "default":
                    return self._team_on_call(recipient, name, where), False
                return [{"team": name, **({"part": "MANAGERS"} if how == "admins" else {})}], how == "random"
            case "escalation" if (name := self._target("EscalationPolicy", recipient)) is not None:
                self.made.lose(where, f"hands over to the escalation {recipient.get('name') or name}", "its first targets are asked")
                return self._first_targets(recipient, where), False
        self.made.lose(
            where,
            f"asks {recipient.get('type')} {recipient.get('name') or recipient.get('username') or recipient.get('id')}, which is not known",
            "left out",
        )
        return [], False

    def _team_on_call(self, recipient: Plain, name: str, where: str) -> list[dict[str, Any]]:
        """A team as such runs its routing rules; its usual way is taken, else every member is asked."""
        team = next((each for each in items(self.archive, "teams") if self._named("Team", each) == name), {})
        notify = _usual(team).get("notify") or {}
        if notify.get("type") == "schedule" and (schedule := self._target("Schedule", notify)) is not None:
            return [{"schedule": schedule}]
        if notify.get("type") == "escalation" and notify.get("id") != recipient.get("id"):
            self.made.lose(where, f"hands over to the routing of the team {name}", "the first targets of its usual escalation are asked")
            return self._first_targets(notify, where, depth=1) or [{"team": name}]
        return [{"team": name}]

    def _first_targets(self, recipient: Plain, where: str, depth: int = 0) -> list[dict[str, Any]]:
        found = self._target("EscalationPolicy", recipient)
        escalation = next((each for each in items(self.archive, "escalations") if self._named("EscalationPolicy", each) == found), {})
        rules = sorted(escalation.get("rules") or [], key=lambda rule: _amount(rule.get("delay")))
        if not rules or depth > 3:
            return []
        first = rules[0]
        kind = (first.get("recipient") or {}).get("type")
        if kind in ("escalation", "team"):
            name = self._target("Team", first["recipient"]) if kind == "team" else None
            return [{"team": name}] if name else self._first_targets(first["recipient"], where, depth + 1)
        return self._targets(first, where)[0]

    # Services: what a team is responsible for

    def services(self) -> None:
        for team in items(self.archive, "teams"):
            name = self.names.of("Service", f"team-{_id(team)}", str(team.get("name", "")))
            policy = self._policy_of(team)
            what = {"display_name": team.get("name", ""), "description": team.get("description", ""), "team": self._named("Team", team)}
            self.made.add("Service", name, {**what, "escalation_policy": policy})
        for service in items(self.archive, "services"):
            owner = next((team for team in items(self.archive, "teams") if _id(team) == str(service.get("teamId"))), None)
            self.made.add(
                "Service",
                self.names.of("Service", _id(service), str(service.get("name", ""))),
                {
                    "display_name": service.get("name", ""),
                    "description": service.get("description", ""),
                    "team": self._named("Team", owner) if owner else "",
                    "escalation_policy": self._policy_of(owner) if owner else "",
                },
            )

    def _policy_of(self, team: Plain) -> str:
        """The policy that a team's usual routing leads to; other routing rules become rules of urgency where they can."""
        where = f"teams/{team.get('name')}/routing-rules"
        usual = _usual(team)
        policy = self._policy_of_notify(usual.get("notify") or {}, team, where)
        rules = [rule for rule in sorted(team.get("routingRules") or team.get("teamRoutingRules") or [], key=_order) if rule is not usual]
        special = [made for rule in rules if (made := self._urgency_rule(rule, team, where)) is not None]
        if special and policy:
            self._give(policy, special)
        return policy

    def _policy_of_notify(self, notify: Plain, team: Plain, where: str) -> str:
        match str(notify.get("type", "")):
            case "escalation" if (name := self._target("EscalationPolicy", notify)) is not None:
                return name
            case "schedule" if (name := self._target("Schedule", notify)) is not None:
                policy = self.names.of("EscalationPolicy", f"schedule-{name}", f"{name}-on-call")
                if policy not in self.wrapped:
                    self.wrapped.add(policy)
                    self.made.add(
                        "EscalationPolicy", policy, {"steps": [{"targets": [{"schedule": name}], "delay": _text(LAST_DELAY)}], "repeat": 3}
                    )
                return policy
            case "none":
                self.made.lose(where, "its usual routing asks nobody", "the platform's fallback is asked: give the service a policy")
            case _:
                self.made.lose(where, "there is no usual routing rule", "the platform's fallback is asked: give the service a policy")
        return ""

    def _urgency_rule(self, rule: Plain, team: Plain, where: str) -> dict[str, Any] | None:
        """A routing rule by priority and time as a rule of the policy; anything else is noted."""
        criteria = rule.get("criteria") or {}
        conditions = criteria.get("conditions") or []
        policy = self._policy_of_notify(rule.get("notify") or {}, team, f"{where}/{rule.get('name')}")
        by_priority = all(
            each.get("field") == "priority" and each.get("operation") == "equals" and not each.get("not") for each in conditions
        ) and (len(conditions) <= 1 or criteria.get("type") == "match-any-condition")
        if not by_priority or not policy:
            words = "; ".join(
                f"{each.get('field')} {'not ' if each.get('not') else ''}{each.get('operation')} {each.get('expectedValue')}"
                for each in conditions
            )
            self.made.lose(
                f"{where}/{rule.get('name')}",
                f"routes by {words or criteria.get('type')}",
                "not imported: write a Route, or a service of its own",
            )
            return None
        condition: dict[str, Any] = {}
        if conditions:
            condition["severities"] = sorted(
                {SEVERITIES[str(each.get("expectedValue"))] for each in conditions if str(each.get("expectedValue")) in SEVERITIES}
            )
        windows = list(_windows(rule.get("timeRestriction") or {}, f"{where}/{rule.get('name')}"))
        if windows:
            condition |= {"windows": windows, "time_zone": str(rule.get("timezone") or "UTC")}
        return {"condition": condition, "urgency": "HIGH", "escalation_policy": policy}

    def _give(self, policy: str, rules: list[dict[str, Any]]) -> None:
        for number, document in enumerate(self.made.documents):
            if document.kind == "EscalationPolicy" and document.name == policy:
                before = document.spec.get("urgency_rules") or []
                merged = [*before, *(rule for rule in rules if rule not in before and rule["escalation_policy"] != policy)]
                if merged:
                    spec = {**document.spec, "urgency_rules": merged}
                    self.made.documents[number] = type(document)(document.kind, document.name, spec)

    # Doors

    def integrations(self) -> None:
        for integration in items(self.archive, "integrations"):
            title, kind = str(integration.get("name", "")), str(integration.get("type", ""))
            where = f"integrations/{title}"
            if kind in OUTWARD:
                self.made.lose(where, f"{kind} sends out", "not imported: contact methods and channels take its place")
                continue
            name = self.names.of("Integration", _id(integration), title)
            here = KINDS.get(kind, "opsgenie")
            key = self.keys.get(title) or self.keys.get(_id(integration)) or self.keys.get(name)
            team = next(
                (
                    each
                    for each in items(self.archive, "teams")
                    if _id(each) == str(integration.get("teamId") or (integration.get("ownerTeam") or {}).get("id"))
                ),
                None,
            )
            service = self.names.of("Service", f"team-{_id(team)}", "") if team else ""
            self.made.add(
                "Integration",
                name,
                {"kind": here, "service": service, "description": f"{kind} integration {title!r} of {self.system}"[:1000]},
            )
            if key:
                self.made.keys[name] = key
            note = (
                "send to the same paths with the same key"
                if key
                else f"{self.system} tells keys only when they are made: give --keys, or rotate it here"
            )
            self.made.senders.append(Sender(title, kind, bool(key), note))
            if integration.get("enabled") is False:
                self.made.lose(where, f"is switched off in {self.system}", "imported; nothing is taken from it until somebody has its key")

    def heartbeats(self) -> None:
        found = items(self.archive, "heartbeats")
        if not found:
            return
        door = next((each.name for each in self.made.documents if each.kind == "Integration" and each.spec["kind"] == "opsgenie"), "")
        if not door:
            door = self.names.of("Integration", "for-heartbeats", "opsgenie-heartbeats")
            self.made.add("Integration", door, {"kind": "opsgenie", "description": "Takes the pings of imported heartbeats"})
        for heartbeat in found:
            owner = (heartbeat.get("ownerTeam") or {}).get("name", "")
            self.made.add(
                "Heartbeat",
                str(heartbeat.get("name", "")),
                {
                    "integration": door,
                    "description": heartbeat.get("description", ""),
                    "interval": int(heartbeat.get("interval") or 1),
                    "unit": str(heartbeat.get("intervalUnit") or "minutes").upper(),
                    "disabled": heartbeat.get("enabled") is False,
                    "owner_team": owner,
                    "alert_message": heartbeat.get("alertMessage", ""),
                    "alert_tags": list(heartbeat.get("alertTags") or []),
                    "alert_priority": heartbeat.get("alertPriority", ""),
                },
            )

    def rest(self) -> None:
        for maintenance in items(self.archive, "maintenance"):
            what = f"maintenance {maintenance.get('description') or maintenance.get('id')!r} switches integrations and policies off"
            self.made.lose("maintenance", what, "not imported: plan a maintenance window by service or label")
        for resource in ("policies", "custom_user_roles"):
            for each in items(self.archive, resource):
                self.made.lose(resource, str(each.get("name") or each.get("id")), "not imported: write noise rules, routes or silences")


def _windows(restriction: Plain, where: str) -> Iterator[dict[str, Any]]:
    kind = restriction.get("type")
    if kind == "time-of-day":
        one = restriction.get("restriction") or {}
        start, end = _clock(one, "start"), _clock(one, "end")
        if start != end:
            yield {"start": clock(start), "end": clock(end)}
    elif kind == "weekday-and-time-of-day":
        for one in restriction.get("restrictions") or []:
            days = [LONG_DAYS.get(str(one.get(field, "")).lower()) for field in ("startDay", "endDay")]
            if days[0] is None or days[1] is None:
                raise Unusable(f"{where}/timeRestriction: {one.get('startDay')!r} to {one.get('endDay')!r} are no days of the week")
            made = between(days[0], _clock(one, "start"), days[1], _clock(one, "end"))
            if made is not None:
                yield made


def _clock(restriction: Plain, side: str) -> timedelta:
    return timedelta(hours=int(restriction.get(f"{side}Hour") or 0), minutes=int(restriction.get(f"{side}Min") or 0))


def _amount(found: Any) -> timedelta:
    """A delay: {"timeAmount": 5, "timeUnit": "minutes"}, or plain minutes."""
    if isinstance(found, Mapping):
        unit = str(found.get("timeUnit") or "minutes").lower()
        return timedelta(**{unit if unit.endswith("s") else f"{unit}s": float(found.get("timeAmount") or 0)})
    return timedelta(minutes=float(found or 0))


def _text(length: timedelta) -> str:
    return f"{int(length.total_seconds())}s"


def _step(method: str, after: timedelta) -> dict[str, Any]:
    return {"contact_method": method, "delay": _text(after)} if after else {"contact_method": method}


def _phone(text: str) -> str:
    """A number as "1-5555550100" has it, in E.164."""
    digits = re.sub(r"\D", "", text)
    return f"+{digits}"


def _usual(team: Plain) -> Plain:
    rules = team.get("routingRules") or team.get("teamRoutingRules") or []
    return next((rule for rule in rules if rule.get("isDefault")), rules[-1] if rules else {})


def _order(rule: Plain) -> int:
    return int(rule.get("order") or 0)


def _ended(layer: Plain, now: datetime) -> bool:
    return "effective_until" in layer and instant(layer["effective_until"], "effective_until") <= now


def _until(override: Plain) -> datetime:
    return instant(override["until"], "until")


def _zone(name: str, where: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError) as error:
        raise Unusable(f"{where}/timezone: {name!r} is no zone of the IANA database") from error


def _id(found: Plain) -> str:
    return str(found.get("id") or found.get("alias") or found.get("name") or "")


def _once(names: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(names))


def headers(api_key: str) -> dict[str, str]:
    """What every request carries."""
    return {"authorization": f"GenieKey {api_key}"}
