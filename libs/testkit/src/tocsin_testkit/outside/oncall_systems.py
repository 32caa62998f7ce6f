"""On-call systems that people leave: small servers that answer as their APIs do, with realistic organisations in them.

Who is on call is rendered by an oracle of their own, hour by hour by the vendor's rule, and shares nothing with what is tested.
"""

import json
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

HOUR = timedelta(hours=1)
Answer = tuple[int, Any]
Rule = Callable[[datetime], frozenset[str]]


class OncallSystem:
    """Serves JSON by path, to whoever sends the right authorization. `stumbles` is how many requests are told to wait before."""

    def __init__(self, authorization: str, answer: Callable[[str, Mapping[str, list[str]]], Answer]) -> None:
        self.asked: list[str] = []
        self.stumbles = 0
        system = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                system.asked.append(self.path)
                if self.headers.get("authorization") != authorization:
                    return self.send(401, {"message": "Could not authenticate"})
                if system.stumbles:
                    system.stumbles -= 1
                    return self.send(429, {"message": "You are making too many requests!"})
                status, content = answer(parts.path, parse_qs(parts.query))
                self.send(status, content)

            def send(self, status: int, content: Any) -> None:
                body = json.dumps(content).encode()
                self.send_response(status)
                if status == 429:
                    self.send_header("retry-after", "0.05")
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> "OncallSystem":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def rendered(rule: Rule, since: datetime, until: datetime) -> list[tuple[datetime, datetime, frozenset[str]]]:
    """Who is on call by a rule, hour by hour; what is the same in a row is one entry, hours of nobody are none."""
    found: list[tuple[datetime, datetime, frozenset[str]]] = []
    at = since
    while at < until:
        people = rule(at)
        if found and found[-1][1] == at and found[-1][2] == people:
            found[-1] = (found[-1][0], at + HOUR, people)
        elif people:
            found.append((at, at + HOUR, people))
        at += HOUR
    return found


def wall(at: datetime, zone: str) -> datetime:
    """What clocks show."""
    return at.astimezone(ZoneInfo(zone)).replace(tzinfo=None)


def text(at: datetime) -> str:
    """An instant as these APIs write it."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


# Opsgenie

NEW_YORK = "America/New_York"
ANCHOR = datetime(2026, 3, 2, 14, tzinfo=UTC)  # Monday 09:00 in New York
GENIE_KEY = "GenieKey 0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"


def user(number: int, name: str) -> dict[str, Any]:
    """A person, as Opsgenie has them."""
    return {
        "id": f"u{number}",
        "username": f"{name.lower()}@example.org",
        "fullName": f"{name} Example",
        "role": {"id": "User", "name": "User"},
        "timeZone": NEW_YORK,
        "blocked": False,
    }


def opsgenie(now: datetime) -> OncallSystem:
    """An organisation with a team, a schedule of two rotations over a change of clocks, an override and a forwarding rule."""
    system = OncallSystem(GENIE_KEY, organisation(now, lambda: system.url))
    return system


def organisation(now: datetime, url: Callable[[], str]) -> Callable[[str, Mapping[str, list[str]]], Answer]:
    """What Opsgenie answers of that organisation at each path; `url` is where it is."""
    ada, bob, cyd = user(1, "Ada"), user(2, "Bob"), user(3, "Cyd")
    users = {each["id"]: each for each in (ada, bob, cyd)}
    covered = (now + timedelta(days=3)).replace(hour=15, minute=0, second=0, microsecond=0)
    forwarded = (now + timedelta(days=20)).replace(hour=0, minute=0, second=0, microsecond=0)

    def weekly(at: datetime) -> str:
        turns = (wall(at, NEW_YORK) - wall(ANCHOR, NEW_YORK)) // timedelta(days=7)
        return ("u1", "u2", "u3")[turns % 3]

    def office(at: datetime) -> str:
        local = wall(at, NEW_YORK)
        turns = (local - wall(ANCHOR, NEW_YORK)) // timedelta(days=1)
        return ("u3", "u1")[turns % 2] if local.weekday() < 5 and 9 <= local.hour < 17 else ""

    def replaced(name: str, at: datetime) -> str:
        return "u2" if name == "u1" and forwarded <= at < forwarded + timedelta(days=5) else name

    def of_rotation(rotation: Callable[[datetime], str]) -> Rule:
        def on_call(at: datetime) -> frozenset[str]:
            if covered <= at < covered + timedelta(hours=6):
                return frozenset({"u2"})
            return frozenset({replaced(name, at)}) if (name := rotation(at)) else frozenset()

        return on_call

    rotations = [
        {
            "id": "r1",
            "name": "Follow me",
            "type": "weekly",
            "length": 1,
            "startDate": text(ANCHOR),
            "endDate": None,
            "participants": [{"type": "user", "id": each["id"], "username": each["username"]} for each in (ada, bob, cyd)],
        },
        {
            "id": "r2",
            "name": "Office",
            "type": "daily",
            "length": 1,
            "startDate": text(ANCHOR),
            "endDate": None,
            "participants": [{"type": "user", "id": each["id"], "username": each["username"]} for each in (cyd, ada)],
            "timeRestriction": {
                "type": "weekday-and-time-of-day",
                "restrictions": [
                    {"startDay": day, "startHour": 9, "startMin": 0, "endDay": day, "endHour": 17, "endMin": 0}
                    for day in ("monday", "tuesday", "wednesday", "thursday", "friday")
                ],
            },
        },
    ]
    override = {
        "alias": "o1",
        "user": {"type": "user", "id": "u2", "username": bob["username"]},
        "startDate": text(covered),
        "endDate": text(covered + timedelta(hours=6)),
        "rotations": [],
    }

    def timeline(query: Mapping[str, list[str]]) -> Answer:
        since = datetime.fromisoformat(query["date"][0].replace("Z", "+00:00")).replace(day=1, hour=0, minute=0, second=0)
        until = since + timedelta(days=30 * int(query["interval"][0]))
        parts = []
        for rotation, rule in ((rotations[0], weekly), (rotations[1], office)):
            periods = [
                {
                    "startDate": text(start),
                    "endDate": text(end),
                    "type": "historical" if end < now else "default",
                    "flattenedRecipients": [{"id": name, "type": "user", "name": users[name]["username"]} for name in sorted(people)],
                }
                for start, end, people in rendered(of_rotation(rule), since, until)
            ]
            parts.append({"id": rotation["id"], "name": rotation["name"], "order": 1.0, "periods": periods})
        return 200, {"data": {"startDate": text(since), "endDate": text(until), "finalTimeline": {"rotations": parts}}}

    team = {
        "id": "t1",
        "name": "Payments & Ledger",
        "description": "Money",
        "members": [
            {"user": {"id": "u1", "username": ada["username"]}, "role": "admin"},
            {"user": {"id": "u2", "username": bob["username"]}, "role": "user"},
        ],
    }
    routing = [
        {
            "id": "x1",
            "name": "urgent",
            "order": 0,
            "isDefault": False,
            "criteria": {
                "type": "match-any-condition",
                "conditions": [{"field": "priority", "operation": "equals", "expectedValue": "P1", "not": False}],
            },
            "notify": {"type": "escalation", "id": "e2", "name": "All hands"},
        },
        {
            "id": "x2",
            "name": "Default",
            "order": 1,
            "isDefault": True,
            "criteria": {"type": "match-all"},
            "notify": {"type": "escalation", "id": "e1", "name": "Payments"},
        },
    ]
    escalations = [
        {
            "id": "e1",
            "name": "Payments",
            "ownerTeam": {"id": "t1"},
            "rules": [
                {
                    "condition": "if-not-acked",
                    "notifyType": "default",
                    "delay": {"timeAmount": 0, "timeUnit": "minutes"},
                    "recipient": {"type": "schedule", "id": "s1", "name": "Primary NY"},
                },
                {
                    "condition": "if-not-acked",
                    "notifyType": "next",
                    "delay": {"timeAmount": 5, "timeUnit": "minutes"},
                    "recipient": {"type": "schedule", "id": "s1", "name": "Primary NY"},
                },
                {
                    "condition": "if-not-closed",
                    "notifyType": "admins",
                    "delay": {"timeAmount": 20, "timeUnit": "minutes"},
                    "recipient": {"type": "team", "id": "t1", "name": team["name"]},
                },
            ],
            "repeat": {"waitInterval": 10, "count": 2, "resetRecipientStates": False, "closeAlertAfterAll": False},
        },
        {
            "id": "e2",
            "name": "All hands",
            "ownerTeam": {"id": "t1"},
            "rules": [
                {
                    "condition": "if-not-acked",
                    "notifyType": "all",
                    "delay": {"timeAmount": 0, "timeUnit": "minutes"},
                    "recipient": {"type": "team", "id": "t1", "name": team["name"]},
                }
            ],
            "repeat": {"waitInterval": 0, "count": 0},
        },
    ]
    contacts = {
        "u1": [
            {"id": "c1", "method": "sms", "to": "1-5555550101", "status": {"enabled": True}},
            {"id": "c2", "method": "email", "to": ada["username"], "status": {"enabled": True}},
            {"id": "c3", "method": "mobile", "to": "Ada's phone", "status": {"enabled": True}},
        ]
    }
    rules = {
        "u1": [
            {
                "id": "n1",
                "name": "New Alert",
                "actionType": "create-alert",
                "enabled": True,
                "steps": [
                    {
                        "contact": {"method": "sms", "to": "1-5555550101"},
                        "sendAfter": {"timeAmount": 0, "timeUnit": "minutes"},
                        "enabled": True,
                    },
                    {
                        "contact": {"method": "email", "to": ada["username"]},
                        "sendAfter": {"timeAmount": 3, "timeUnit": "minutes"},
                        "enabled": True,
                    },
                ],
            }
        ]
    }
    lists = {
        "/v2/teams": [{"id": "t1", "name": team["name"], "description": team["description"]}],
        "/v2/teams/t1/routing-rules": routing,
        "/v2/schedules": [
            {"id": "s1", "name": "Primary NY", "timezone": NEW_YORK, "enabled": True, "ownerTeam": {"id": "t1"}, "rotations": rotations}
        ],
        "/v2/schedules/s1/overrides": [{key: value for key, value in override.items() if key != "rotations"}],
        "/v2/schedules/s1/overrides/o1": override,
        "/v2/escalations": escalations,
        "/v2/forwarding-rules": [
            {
                "id": "f1",
                "fromUser": {"id": "u1", "username": ada["username"]},
                "toUser": {"id": "u2", "username": bob["username"]},
                "startDate": text(forwarded),
                "endDate": text(forwarded + timedelta(days=5)),
            }
        ],
        "/v2/integrations": [
            {"id": "i1", "name": "Prometheus EU", "type": "Prometheus", "enabled": True, "teamId": "t1"},
            {"id": "i2", "name": "Tell Slack", "type": "Slack", "enabled": True, "teamId": "t1"},
        ],
        "/v2/heartbeats": {
            "heartbeats": [
                {
                    "name": "nightly backup",
                    "interval": 25,
                    "intervalUnit": "hours",
                    "enabled": True,
                    "ownerTeam": {"id": "t1", "name": team["name"]},
                    "alertPriority": "P2",
                }
            ]
        },
        "/v1/services": [{"id": "v1", "name": "Checkout", "teamId": "t1", "description": "Takes the money"}],
        "/v2/teams/t1": team,
    }

    def answer(path: str, query: Mapping[str, list[str]]) -> Answer:
        if path == "/v2/users":
            start = int(query.get("offset", ["0"])[0])
            page: dict[str, Any] = {"data": [dict(each) for each in list(users.values())[start : start + 2]], "totalCount": 3}
            if start + 2 < len(users):
                page["paging"] = {"next": f"{url()}/v2/users?limit=100&offset={start + 2}"}
            return 200, page
        if path == "/v2/schedules/s1/timeline":
            return timeline(query)
        parts = path.split("/")
        if parts[2:3] == ["users"] and parts[4:5] == ["contacts"]:
            return 200, {"data": contacts.get(parts[3], [])}
        if parts[2:3] == ["users"] and parts[4:5] == ["notification-rules"]:
            found = rules.get(parts[3], [])
            return 200, {"data": found[0]["steps"] if len(parts) > 5 else [{**each, "steps": []} for each in found]}
        if path in lists:
            return 200, {"data": lists[path], "took": 0.01, "requestId": "q"}
        return 404, {"message": "not found", "requestId": "q"}

    return answer


# PagerDuty

PAGERDUTY_KEY = "Token token=pd-key"


def pagerduty(now: datetime) -> OncallSystem:
    """A schedule of two layers where the upper one works office hours, an override, a policy and a service with its key."""
    people = {"PU1": "ada@example.org", "PU2": "bob@example.org", "PU3": "cyd@example.org"}
    covered = (now + timedelta(days=2)).replace(hour=10, minute=0, second=0, microsecond=0)
    users = [
        {
            "id": name,
            "name": mail.partition("@")[0].title(),
            "email": mail,
            "time_zone": "Eastern Time (US & Canada)",
            "contact_methods": [
                {"id": f"{name}-m", "type": "email_contact_method", "address": mail},
                {"id": f"{name}-s", "type": "sms_contact_method", "address": "5555550101", "country_code": 1},
            ],
            "notification_rules": [
                {"start_delay_in_minutes": 0, "urgency": "high", "contact_method": {"id": f"{name}-s"}},
                {"start_delay_in_minutes": 5, "urgency": "high", "contact_method": {"id": f"{name}-m"}},
                {"start_delay_in_minutes": 0, "urgency": "low", "contact_method": {"id": f"{name}-m"}},
            ],
        }
        for name, mail in people.items()
    ]

    def on_call(at: datetime) -> frozenset[str]:
        local = wall(at, NEW_YORK)
        if covered <= at < covered + timedelta(hours=5):
            return frozenset({"PU3"})
        if local.weekday() < 5 and 9 <= local.hour < 17:
            return frozenset({("PU2", "PU3")[(local - wall(ANCHOR, NEW_YORK)) // timedelta(days=1) % 2]})
        return frozenset({("PU1", "PU2")[(local - wall(ANCHOR, NEW_YORK)) // timedelta(days=7) % 2]})

    def layer(name: str, users: list[str], seconds: int, restrictions: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "id": f"L-{name}",
            "name": name,
            "start": text(ANCHOR),
            "end": None,
            "rotation_virtual_start": text(ANCHOR),
            "rotation_turn_length_seconds": seconds,
            "users": [{"user": {"id": each, "type": "user_reference"}} for each in users],
            "restrictions": restrictions,
        }

    office = [
        {"type": "weekly_restriction", "start_day_of_week": day, "start_time_of_day": "09:00:00", "duration_seconds": 28800}
        for day in range(1, 6)
    ]
    schedule = {
        "id": "PS1",
        "name": "Core",
        "time_zone": NEW_YORK,
        "schedule_layers": [layer("Office", ["PU2", "PU3"], 86400, office), layer("Always", ["PU1", "PU2"], 604800, [])],
    }
    override = {
        "id": "PO1",
        "start": text(covered),
        "end": text(covered + timedelta(hours=5)),
        "user": {"id": "PU3", "type": "user_reference"},
    }

    def answer(path: str, query: Mapping[str, list[str]]) -> Answer:
        lists: dict[str, list[Any]] = {
            "/users": users,
            "/teams": [{"id": "PT1", "name": "Core team"}],
            "/teams/PT1/members": [{"user": {"id": "PU1"}, "role": "manager"}, {"user": {"id": "PU2"}, "role": "responder"}],
            "/schedules": [{"id": "PS1", "name": "Core", "time_zone": NEW_YORK}],
            "/escalation_policies": [
                {
                    "id": "PE1",
                    "name": "Core",
                    "num_loops": 2,
                    "escalation_rules": [
                        {"escalation_delay_in_minutes": 10, "targets": [{"id": "PS1", "type": "schedule_reference"}]},
                        {
                            "escalation_delay_in_minutes": 15,
                            "targets": [{"id": "PU1", "type": "user_reference"}, {"id": "PU2", "type": "user_reference"}],
                            "escalation_rule_assignment_strategy": {"type": "round_robin"},
                        },
                    ],
                }
            ],
            "/services": [
                {
                    "id": "PV1",
                    "name": "API",
                    "description": "The API",
                    "acknowledgement_timeout": 1800,
                    "auto_resolve_timeout": None,
                    "escalation_policy": {"id": "PE1"},
                    "teams": [{"id": "PT1"}],
                    "incident_urgency_rule": {"type": "constant", "urgency": "high"},
                    "integrations": [
                        {
                            "id": "PI1",
                            "name": "Events",
                            "type": "events_api_v2_inbound_integration",
                            "integration_key": "a1b2c3d4e5f60718293a4b5c6d7e8f90",
                        }
                    ],
                }
            ],
        }
        if path == "/schedules/PS1":
            since, until = (datetime.fromisoformat(query[field][0].replace("Z", "+00:00")) for field in ("since", "until"))
            if until - since > timedelta(days=92):
                return 400, {"error": {"message": "too long a span"}}
            begin = since.replace(minute=0, second=0, microsecond=0)
            entries = [
                {"start": text(start), "end": text(end), "user": {"id": name}}
                for start, end, found in rendered(on_call, begin, until)
                for name in found
            ]
            return 200, {"schedule": {**schedule, "final_schedule": {"rendered_schedule_entries": entries}}}
        if path == "/schedules/PS1/overrides":
            return 200, {"overrides": [override]}
        name = path.rpartition("/")[2]
        if path in lists:
            start, limit = int(query.get("offset", ["0"])[0]), int(query.get("limit", ["25"])[0])
            return 200, {
                name: lists[path][start : start + limit],
                "more": start + limit < len(lists[path]),
                "limit": limit,
                "offset": start,
            }
        return 404, {"error": {"message": "Not Found"}}

    return OncallSystem(PAGERDUTY_KEY, answer)


# Grafana OnCall

GRAFANA_KEY = "grafana-key"


def grafana_oncall(now: datetime) -> OncallSystem:
    """A weekly rotation on weekdays above a daily one at night, an override, a chain with waits and an integration with its token."""
    people = {"GU1": "ada", "GU2": "bob", "GU3": "cyd"}
    zone = "Europe/Berlin"
    covered = (now + timedelta(days=2)).replace(hour=10, minute=0, second=0, microsecond=0)
    anchor = datetime(2026, 3, 2, 8)

    def on_call(at: datetime) -> frozenset[str]:
        local = wall(at, zone)
        if covered <= at < covered + timedelta(hours=4):
            return frozenset({"GU3"})
        if local.weekday() < 5 and 8 <= local.hour < 18:
            return frozenset({("GU1", "GU2")[(local - anchor) // timedelta(days=7) % 2]})
        if local.hour >= 20 or local.hour < 6:
            return frozenset({("GU2", "GU3")[(local - timedelta(hours=20) - anchor.replace(hour=0)) // timedelta(days=1) % 2]})
        return frozenset()

    shifts = [
        {
            "id": "GS1",
            "name": "Day",
            "type": "rolling_users",
            "level": 2,
            "start": "2026-03-02T08:00:00",
            "duration": 36000,
            "frequency": "weekly",
            "interval": 1,
            "by_day": ["MO", "TU", "WE", "TH", "FR"],
            "week_start": "MO",
            "rolling_users": [["GU1"], ["GU2"]],
            "start_rotation_from_user_index": 0,
            "time_zone": zone,
        },
        {
            "id": "GS2",
            "name": "Night",
            "type": "rolling_users",
            "level": 1,
            "start": "2026-03-02T20:00:00",
            "duration": 36000,
            "frequency": "daily",
            "interval": 1,
            "rolling_users": [["GU2"], ["GU3"]],
            "start_rotation_from_user_index": 0,
            "time_zone": None,
        },
        {
            "id": "GS3",
            "name": "Cover",
            "type": "override",
            "start": wall(covered, zone).isoformat(),
            "duration": 14400,
            "rolling_users": [["GU3"]],
            "time_zone": zone,
        },
    ]
    lists: dict[str, list[Any]] = {
        "users": [
            {"id": each, "username": name, "email": f"{name}@example.org", "role": "user", "timezone": zone, "teams": ["GT1"]}
            for each, name in people.items()
        ],
        "teams": [{"id": "GT1", "name": "Berlin"}],
        "schedules": [{"id": "GC1", "name": "Berlin", "type": "calendar", "time_zone": zone, "shifts": ["GS1", "GS2", "GS3"]}],
        "on_call_shifts": shifts,
        "escalation_chains": [{"id": "GE1", "name": "Usual"}],
        "escalation_policies": [
            {
                "id": "1",
                "escalation_chain_id": "GE1",
                "position": 0,
                "type": "notify_on_call_from_schedule",
                "notify_on_call_from_schedule": "GC1",
            },
            {"id": "2", "escalation_chain_id": "GE1", "position": 1, "type": "wait", "duration": 300},
            {"id": "3", "escalation_chain_id": "GE1", "position": 2, "type": "notify_persons", "persons_to_notify": ["GU1", "GU2"]},
        ],
        "routes": [{"id": "GR1", "integration_id": "GI1", "routing_regex": "", "escalation_chain_id": "GE1", "position": 0}],
        "integrations": [
            {
                "id": "GI1",
                "name": "Grafana",
                "type": "grafana_alerting",
                "team_id": "GT1",
                "link": "https://oncall.example.org/integrations/v1/grafana_alerting/mReAoNwDm0eMwKo1mTeTwYo/",
                "default_route": {"escalation_chain_id": "GE1"},
            }
        ],
        "personal_notification_rules": [
            {"id": "p1", "user_id": "GU1", "position": 0, "type": "notify_by_slack", "important": False},
            {"id": "p2", "user_id": "GU1", "position": 1, "type": "wait", "duration": 300, "important": False},
            {"id": "p3", "user_id": "GU1", "position": 2, "type": "notify_by_email", "important": False},
        ],
    }

    def answer(path: str, query: Mapping[str, list[str]]) -> Answer:
        name = path.strip("/").removeprefix("api/v1/")
        if name == "schedules/GC1/final_shifts":
            since, until = (datetime.fromisoformat(query[field][0]).replace(tzinfo=UTC) for field in ("start_date", "end_date"))
            found = [
                {"user_pk": each, "user_username": people[each], "shift_start": text(start), "shift_end": text(end)}
                for start, end, group in rendered(on_call, since, until)
                for each in group
            ]
            return 200, {"count": len(found), "next": None, "previous": None, "results": found}
        if name in lists:
            page = int(query.get("page", ["1"])[0])
            part = lists[name][2 * page - 2 : 2 * page]
            following = f"{system.url}/api/v1/{name}/?page={page + 1}" if len(lists[name]) > 2 * page else None
            return 200, {"count": len(lists[name]), "next": following, "previous": None, "results": part}
        return 404, {"detail": "Not found."}

    system = OncallSystem(GRAFANA_KEY, answer)
    return system
