"""Opsgenie's Heartbeat API: makes, shows, switches and pings heartbeats of its integration."""

from collections.abc import Callable
from dataclasses import replace

from tocsin_detection.heartbeat.heartbeat import NAME, Heartbeat, HeartbeatExists, HeartbeatNotFound, State, Unit
from tocsin_detection.heartbeat.heartbeats import Heartbeats
from tocsin_detection.intake.intake import Request
from tocsin_detection.intake.opsgenie_api.shapes import instant
from tocsin_detection.intake.opsgenie_api.wording import Said, refused, unprocessable
from tocsin_detection.intake.opsgenie_fields import MOST_MESSAGE, MOST_TAGS, MOST_WORD, USUAL_PRIORITY, Fields
from tocsin_detection.signal import storable
from tocsin_kernel.errors import Invalid

PONG = "PONG - Heartbeat received"
LONGEST_NAME = 200
LONGEST_DESCRIPTION = 10_000
LONGEST_INTERVAL = 527_040
UNITS = tuple(unit.lower() for unit in Unit)
PING_METHODS = ("GET", "POST", "PUT", "PATCH", "HEAD")


class OpsgenieHeartbeats:
    """Serves what lies below `/v2/heartbeats`. A key sees the heartbeats of its own integration only."""

    def __init__(self, heartbeats: Heartbeats) -> None:
        self._heartbeats = heartbeats

    async def serve(self, request: Request, path: tuple[str, ...], fields: Callable[[], Fields]) -> Said:
        """Raises Refused. `path` is what follows `/v2/heartbeats`; `fields` are those of the body."""
        integration = request.integration.name
        try:
            match (request.method, *path):
                case ("POST",):
                    return await self._create(request, fields())
                case ("GET",):
                    return Said(200, {"data": {"heartbeats": [in_full(each) for each in await self._heartbeats.all(integration)]}})
                case ("GET", name):
                    return Said(200, {"data": in_full(await self._heartbeats.get(storable(name), integration))})
                case ("PATCH" | "PUT", name):
                    return await self._update(storable(name), integration, fields())
                case ("DELETE", name):
                    await self._heartbeats.delete(storable(name), integration)
                    return Said(200, {"result": "Deleted"})
                case ("POST", name, "enable"):
                    return Said(200, {"result": "Enabled", "data": in_brief(await self._heartbeats.enable(storable(name), integration))})
                case ("POST", name, "disable"):
                    return Said(200, {"result": "Disabled", "data": in_brief(await self._heartbeats.disable(storable(name), integration))})
                case (method, name, "ping") if method in PING_METHODS:
                    return await self._ping(request, storable(name))
        except HeartbeatNotFound as error:
            raise refused(404, str(error)) from error
        except HeartbeatExists as error:
            raise unprocessable({"name": str(error)}) from error
        except Invalid as error:
            raise unprocessable({error.data["field"].removeprefix("heartbeat."): error.data["detail"]}) from error
        raise refused(404, f"{request.method} {request.path} is not served")

    async def _create(self, request: Request, fields: Fields) -> Said:
        name = fields.text("name", LONGEST_NAME, required=True)
        if name and NAME.fullmatch(name) is None:
            fields.errors["name"] = "it holds a character that a name may not: use letters, digits, space and ._:@-"
        wanted = configured(Heartbeat(name, request.integration.name, 1, Unit.MINUTES, request.received_at), fields, whole=True)
        wanted = replace(wanted, disabled=fields.flag("enabled") is False)
        _refuse_wrong(fields)
        await self._heartbeats.create(wanted)
        return Said(201, {"result": "Created", "data": in_full(wanted)})

    async def _update(self, name: str, integration: str, fields: Fields) -> Said:
        enabled = fields.flag("enabled")

        def change(found: Heartbeat) -> Heartbeat:
            wanted = configured(found, fields, whole=False)
            _refuse_wrong(fields)
            return wanted

        changed = await self._heartbeats.update(name, change, integration)
        if enabled is not None:
            changed = await (self._heartbeats.enable if enabled else self._heartbeats.disable)(name, integration)
        return Said(200, {"result": "Updated", "data": in_full(changed)})

    async def _ping(self, request: Request, name: str) -> Said:
        """The same answer whether there is such a heartbeat or not. A GET whose address holds the key may be anybody's: it arms nothing."""
        arms = request.method not in ("GET", "HEAD") or not request.parameters("apiKey")
        try:
            await self._heartbeats.ping(name, request.integration.name, arms=arms)
        except HeartbeatNotFound:
            pass
        return Said(202, {"result": PONG})


def configured(heartbeat: Heartbeat, fields: Fields, *, whole: bool) -> Heartbeat:
    """The heartbeat as the fields want it; `whole` if interval and unit are needed. What is wrong is in the fields' errors."""
    after = heartbeat
    if whole or fields.has("interval"):
        after = replace(after, every=fields.number("interval", 1, LONGEST_INTERVAL))
    if whole or fields.has("intervalUnit"):
        after = replace(after, unit=Unit((fields.choice("intervalUnit", UNITS) or UNITS[0]).upper()))
    if fields.has("description"):
        after = replace(after, description=fields.text("description", LONGEST_DESCRIPTION))
    if fields.has("alertMessage"):
        after = replace(after, alert_message=fields.text("alertMessage", MOST_MESSAGE))
    if fields.has("alertTags"):
        after = replace(after, alert_tags=fields.texts("alertTags", MOST_TAGS, MOST_WORD))
    if fields.has("alertPriority"):
        after = replace(after, alert_priority=fields.priority("alertPriority"))
    if fields.has("ownerTeam"):
        team = fields.party("ownerTeam", ("team",), kind="team")
        after = replace(after, owner_team=(team.get("name") or team.get("id") or "")[:LONGEST_NAME])
    return after


def in_full(heartbeat: Heartbeat) -> dict[str, object]:
    """The heartbeat with all that is known of it."""
    shown: dict[str, object] = {
        "name": heartbeat.name,
        "description": heartbeat.description,
        "interval": heartbeat.every,
        "intervalUnit": heartbeat.unit.lower(),
        "enabled": not heartbeat.disabled,
        "expired": heartbeat.state is State.LATE,
        "alertMessage": heartbeat.alert_message,
        "alertTags": list(heartbeat.alert_tags),
        "alertPriority": heartbeat.alert_priority or USUAL_PRIORITY,
    }
    if heartbeat.last_ping_at:
        shown["lastPingTime"] = instant(heartbeat.last_ping_at)
    if heartbeat.owner_team:
        shown["ownerTeam"] = {"id": heartbeat.owner_team, "name": heartbeat.owner_team}
    return shown


def in_brief(heartbeat: Heartbeat) -> dict[str, object]:
    return {"name": heartbeat.name, "enabled": not heartbeat.disabled, "expired": heartbeat.state is State.LATE}


def _refuse_wrong(fields: Fields) -> None:
    if fields.errors:
        raise unprocessable(fields.errors)
