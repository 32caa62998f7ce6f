"""Jira Service Management's operations and the Jira beside them: the organisation of `oncall_systems.opsgenie` after its move there.

One server for both addresses. Accounts are ids; Jira knows their names, and keeps one e-mail address to itself.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tocsin_testkit.outside.oncall_systems import Answer, OncallSystem, organisation

CLOUD = "11223344-a1b2-3b33-c444-def123456789"
KEY = "ada@example.org:ATATT3xFfGF0"
AUTHORIZATION = "Basic YWRhQGV4YW1wbGUub3JnOkFUQVRUM3hGZkdGMA=="
ROOT = f"/jsm/ops/api/{CLOUD}/v1"
HIDES = "u3"


def jsm(now: datetime) -> OncallSystem:
    """Serves the site and the operations API."""
    genie = organisation(now, lambda: "")

    def data(path: str) -> Any:
        return genie(path, {})[1]["data"]

    def listed(values: list[Any], query: Mapping[str, list[str]], path: str) -> Answer:
        """One entry a page, so that whoever reads has to go on."""
        start = int(query.get("offset", ["0"])[0])
        more = {"next": f"{system.url}{path}?offset={start + 1}"} if start + 1 < len(values) else {}
        return 200, {"values": values[start : start + 1], "links": more}

    def operations(path: str, query: Mapping[str, list[str]]) -> Answer:
        match path.removeprefix(ROOT).strip("/").split("/"):
            case ["teams"]:
                return 200, {"platformTeams": [{"teamId": each["id"], "teamName": each["name"]} for each in data("/v2/teams")]}
            case ["teams", "t1", "routing-rules"]:
                return listed(data("/v2/teams/t1/routing-rules"), query, path)
            case ["teams", "t1", "escalations"]:
                return listed([_escalation(each) for each in data("/v2/escalations")], query, path)
            case ["teams", "t1", "heartbeats"]:
                found = data("/v2/heartbeats")["heartbeats"]
                return listed([{key: value for key, value in each.items() if key != "ownerTeam"} for each in found], query, path)
            case ["schedules"]:
                return listed([_schedule(each) for each in data("/v2/schedules")], query, path)
            case ["schedules", "s1", "rotations"]:
                return listed([_rotation(each) for each in data("/v2/schedules")[0]["rotations"]], query, path)
            case ["schedules", "s1", "overrides"]:
                return listed([_override(data("/v2/schedules/s1/overrides/o1"))], query, path)
            case ["schedules", "s1", "timeline"]:
                return 200, _timeline(genie("/v2/schedules/s1/timeline", query)[1]["data"])
            case ["forwarding-rules"]:
                return listed([_forwarding(each) for each in data("/v2/forwarding-rules")], query, path)
            case ["integrations"]:
                return listed(data("/v2/integrations"), query, path)
            case ["users", "contacts"]:
                return listed(data(f"/v2/users/{query.get('targetAccountId', [''])[0]}/contacts"), query, path)
        return 404, {"message": "not found"}

    def answer(path: str, query: Mapping[str, list[str]]) -> Answer:
        if path == "/_edge/tenant_info":
            return 200, {"cloudId": CLOUD}
        if path == "/rest/api/3/user":
            people = {each["id"]: each for each in [*data("/v2/users"), *genie("/v2/users", {"offset": ["2"]})[1]["data"]]}
            found = people.get(query["accountId"][0])
            return (200, _account(found)) if found else (404, {"errorMessages": ["Specified user does not exist"]})
        return operations(path, query)

    system = OncallSystem(AUTHORIZATION, answer)
    return system


def _account(user: Mapping[str, Any]) -> dict[str, Any]:
    shown = {} if user["id"] == HIDES else {"emailAddress": user["username"]}
    return {"accountId": user["id"], "displayName": user["fullName"], "timeZone": user["timeZone"], "active": True, **shown}


def _schedule(schedule: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: schedule[key] for key in ("id", "name", "timezone", "enabled")}
    return {**kept, "teamId": schedule["ownerTeam"]["id"]}


def _rotation(rotation: Mapping[str, Any]) -> dict[str, Any]:
    return {**rotation, "participants": [{"type": each["type"], "id": each["id"]} for each in rotation["participants"]]}


def _override(override: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in override.items() if key != "user"}
    return {**kept, "responder": {"type": "user", "id": override["user"]["id"]}}


def _escalation(escalation: Mapping[str, Any]) -> dict[str, Any]:
    """Delays are plain minutes."""
    rules = [
        {**rule, "delay": rule["delay"]["timeAmount"], "recipient": {"type": rule["recipient"]["type"], "id": rule["recipient"]["id"]}}
        for rule in escalation["rules"]
    ]
    return {"id": escalation["id"], "name": escalation["name"], "rules": rules, "repeat": escalation["repeat"]}


def _forwarding(rule: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: rule[key] for key in ("id", "startDate", "endDate")}
    return {**kept, "fromUserId": rule["fromUser"]["id"], "toUserId": rule["toUser"]["id"]}


def _timeline(timeline: Mapping[str, Any]) -> dict[str, Any]:
    rotations = [
        {
            **rotation,
            "periods": [
                {
                    **{key: period[key] for key in ("startDate", "endDate", "type")},
                    "flattenedResponders": [{"id": each["id"], "type": "user"} for each in period["flattenedRecipients"]],
                }
                for period in rotation["periods"]
            ],
        }
        for rotation in timeline["finalTimeline"]["rotations"]
    ]
    return {"startDate": timeline["startDate"], "endDate": timeline["endDate"], "finalTimeline": {"rotations": rotations}}
