"""The operations part of Jira Service Management: the same notions as Opsgenie's under other addresses and names.

What its API says is put into Opsgenie's shapes, and means here what it means there. People are Atlassian accounts: Jira says who they are.
"""

import base64
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from tocsin_client.importing import opsgenie
from tocsin_client.importing.api import MOST_PAGES, Api, ImportFailed
from tocsin_client.importing.instants import written
from tocsin_client.importing.model import Archive, Imported, Plain, items
from tocsin_client.importing.names import Names

URL = "https://api.atlassian.com"
NAME = "Jira Service Management"
PAGE = 50
# What a list is called in its answer.
LISTS = ("values", "platformTeams", "data")


# Reading


def fetch(api: Api, since: datetime, until: datetime) -> dict[str, Any]:
    """Everything that is imported, and who was on call since then. `api` asks the site, and beside it Atlassian's operations API."""
    told = api.get("/_edge/tenant_info")
    if not isinstance(told, Mapping) or not told.get("cloudId"):
        raise ImportFailed("/_edge/tenant_info: names no cloudId; is this the address of an Atlassian site?")
    at = f"{api.beside or URL}/jsm/ops/api/{told['cloudId']}/v1"
    teams = list(_listed(api, f"{at}/teams"))
    for team in teams:
        place = f"{at}/teams/{_team_id(team)}"
        team["routingRules"] = list(_listed(api, f"{place}/routing-rules"))
        team["escalations"] = list(_listed(api, f"{place}/escalations"))
        team["heartbeats"] = list(_listed(api, f"{place}/heartbeats"))
    schedules = list(_listed(api, f"{at}/schedules"))
    for schedule in schedules:
        place = f"{at}/schedules/{schedule['id']}"
        schedule["rotations"] = list(_listed(api, f"{place}/rotations"))
        schedule["overrides"] = list(_listed(api, f"{place}/overrides"))
        months = {"interval": 8, "intervalUnit": "months", "date": written(since), "expand": "forwarding,override"}
        schedule["timeline"] = api.maybe(f"{place}/timeline", **months)
    archive: dict[str, Any] = {
        "teams": teams,
        "schedules": schedules,
        "forwarding_rules": list(_listed(api, f"{at}/forwarding-rules")),
        "integrations": list(_listed(api, f"{at}/integrations")),
        "maintenance": list(_listed(api, f"{at}/maintenances")),
    }
    return {**archive, "users": [_account(api, at, identity) for identity in _accounts(archive)]}


def _account(api: Api, at: str, identity: str) -> dict[str, Any]:
    """A person as Jira knows them, with the ways by which operations reach them."""
    found = api.maybe("/rest/api/3/user", accountId=identity) or {}
    return {**found, "accountId": identity, "contacts": list(_listed(api, f"{at}/users/contacts", targetAccountId=identity))}


def _listed(api: Api, path: str, **query: Any) -> Iterator[dict[str, Any]]:
    """Every entry of a list, page by page."""
    answer = api.maybe(path, size=PAGE, **query)
    for _ in range(MOST_PAGES):
        yield from _values(answer)
        following = ((answer or {}).get("links") or {}).get("next") if isinstance(answer, Mapping) else None
        if not following:
            return
        answer = api.get(following)


def _values(answer: Any) -> list[Any]:
    if isinstance(answer, Mapping):
        answer = next((answer[name] for name in LISTS if isinstance(answer.get(name), list)), [])
    return answer if isinstance(answer, list) else []


def _accounts(found: Any) -> list[str]:
    """The accounts that anything in it names, each once: whoever is nowhere in operations needs no import."""
    return sorted(set(_named(found)))


def _named(found: Any) -> Iterator[str]:
    if isinstance(found, Mapping):
        if found.get("type") == "user" and found.get("id"):
            yield str(found["id"])
        for name, each in found.items():
            if name in ("fromUserId", "toUserId", "accountId") and isinstance(each, str):
                yield each
            elif name in ("fromUser", "toUser") and isinstance(each, Mapping) and each.get("id"):
                yield str(each["id"])
            else:
                yield from _named(each)
    elif isinstance(found, list):
        for each in found:
            yield from _named(each)


# Understanding


def convert(archive: Archive, names: Names, now: datetime, keys: Mapping[str, str]) -> Imported:
    """The configuration. `keys` are the integrations' keys by the integration's name, as far as somebody has them."""
    made = opsgenie.convert(as_opsgenie(archive), names, now, keys, NAME)
    for team in items(archive, "teams"):
        if "members" not in team:
            where = f"teams/{_team_name(team)}/members"
            made.lose(where, "operations do not tell who is in a team", "whoever its schedules and escalations name is in it")
    for user in items(archive, "users"):
        if not user.get("emailAddress"):
            who = user.get("displayName") or user.get("accountId")
            made.lose(f"users/{who}", "hides the e-mail address", "imported without one, and not met by it; add it by hand")
    if items(archive, "users"):
        made.lose("notification-rules", "tells only the rules of whoever asks", "not imported: people set personal rules here themselves")
    return made


def as_opsgenie(archive: Archive) -> dict[str, Any]:
    """The same in the shapes of Opsgenie's API."""
    teams = items(archive, "teams")
    schedules = [_schedule(each) for each in items(archive, "schedules")]
    escalations = [_escalation(each, team) for team in teams for each in team.get("escalations") or []]
    titles = {_team_id(team): _team_name(team) for team in teams}
    heartbeats = [
        {**each, "ownerTeam": {"id": _team_id(team), "name": titles[_team_id(team)]}}
        for team in teams
        for each in team.get("heartbeats") or []
    ]
    return {
        "users": [_user(each) for each in items(archive, "users")],
        "teams": [_team(each, schedules, escalations) for each in teams],
        "schedules": schedules,
        "escalations": [*escalations, *(_escalation(each, {}) for each in items(archive, "escalations"))],
        "forwarding_rules": [_forwarding(each) for each in items(archive, "forwarding_rules")],
        "integrations": list(items(archive, "integrations")),
        "heartbeats": [*heartbeats, *items(archive, "heartbeats")],
        "services": list(items(archive, "services")),
        "maintenance": list(items(archive, "maintenance")),
    }


def _user(account: Plain) -> dict[str, Any]:
    return {
        "id": account.get("accountId") or account.get("id"),
        "username": account.get("emailAddress") or "",
        "fullName": account.get("displayName") or "",
        "timeZone": account.get("timeZone") or "",
        "blocked": account.get("active") is False,
        "contacts": account.get("contacts") or [],
    }


def _team(team: Plain, schedules: list[dict[str, Any]], escalations: list[dict[str, Any]]) -> dict[str, Any]:
    identity = _team_id(team)
    own = [each for each in (*schedules, *escalations) if str(each.get("teamId") or "") == identity]
    members = team.get("members")
    if members is None:
        members = _accounts([[each.get("rotations"), each.get("rules")] for each in own])
    told = [{"accountId": each} if isinstance(each, str) else each for each in members]
    return {
        "id": identity,
        "name": _team_name(team),
        "description": team.get("description") or "",
        "members": [{"user": {"id": each.get("accountId") or each.get("id")}, "role": each.get("role", "user")} for each in told],
        "routingRules": team.get("routingRules") or [],
    }


def _schedule(schedule: Plain) -> dict[str, Any]:
    return {**schedule, "overrides": [_override(each) for each in schedule.get("overrides") or []], "timeline": _timeline(schedule)}


def _override(override: Plain) -> dict[str, Any]:
    """Whoever takes over is the `responder`; nobody has no id."""
    rotations = [each if isinstance(each, Mapping) else {"id": each} for each in override.get("rotations") or []]
    return {**override, "user": override.get("responder") or override.get("user") or {"type": "noone"}, "rotations": rotations}


def _timeline(schedule: Plain) -> dict[str, Any] | None:
    timeline = schedule.get("timeline")
    if not isinstance(timeline, Mapping):
        return None
    final = timeline.get("finalTimeline") or timeline
    rotations = [
        {**rotation, "periods": [_period(each) for each in rotation.get("periods") or []]} for rotation in final.get("rotations") or []
    ]
    return {"finalTimeline": {"rotations": rotations}}


def _period(period: Plain) -> dict[str, Any]:
    recipient = period.get("recipient") or period.get("responder") or {}
    return {**period, "recipient": recipient, "flattenedRecipients": period.get("flattenedRecipients") or period.get("flattenedResponders")}


def _escalation(escalation: Plain, team: Plain) -> dict[str, Any]:
    """A rule that asks several is several rules that begin at the same time."""
    rules = [
        {**rule, "recipient": recipient}
        for rule in escalation.get("rules") or []
        for recipient in rule.get("recipients") or [rule.get("recipient") or {}]
    ]
    return {**escalation, "rules": rules, "teamId": escalation.get("teamId") or _team_id(team)}


def _forwarding(rule: Plain) -> dict[str, Any]:
    sides = {side: rule.get(side) or {"type": "user", "id": rule.get(f"{side}Id")} for side in ("fromUser", "toUser")}
    return {**rule, **{side: each if isinstance(each, Mapping) else {"type": "user", "id": each} for side, each in sides.items()}}


def _team_id(team: Plain) -> str:
    return str(team.get("teamId") or team.get("id") or "")


def _team_name(team: Plain) -> str:
    return str(team.get("teamName") or team.get("name") or "")


def headers(api_key: str) -> dict[str, str]:
    """What every request carries. The key is an e-mail address, a colon and that account's API token; without a colon a bearer token."""
    if ":" in api_key:
        return {"authorization": f"Basic {base64.b64encode(api_key.encode()).decode()}"}
    return {"authorization": f"Bearer {api_key}"}
