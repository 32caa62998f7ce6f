"""What the pings of integrations of kind heartbeat do."""

from tocsin_detection.heartbeat.heartbeat import Heartbeat, HeartbeatNotFound, State
from tocsin_detection.heartbeat.heartbeats import Heartbeats
from tocsin_detection.intake.heartbeat import ping_of
from tocsin_detection.intake.intake import HttpAnswer, Request, json_answer


class HeartbeatPings:
    """Takes the pings of integrations of kind heartbeat."""

    def __init__(self, heartbeats: Heartbeats) -> None:
        self._heartbeats = heartbeats

    async def serve(self, request: Request) -> HttpAnswer | None:
        """200 with the heartbeat's state, 404 for a name that it does not know; None if the request is no ping."""
        ping = ping_of(request)
        if ping is None:
            return None
        try:
            return _pinged(await self._heartbeats.ping(ping.name, request.integration.name, arms=ping.arms))
        except HeartbeatNotFound as error:
            return json_answer(404, {"error": f"{error}: make it first, or look up its name"})


def _pinged(heartbeat: Heartbeat) -> HttpAnswer:
    content = {"heartbeat": heartbeat.name, "state": heartbeat.state.value}
    if heartbeat.due_at:
        content["next_ping_before"] = f"{heartbeat.due_at:%Y-%m-%dT%H:%M:%SZ}"
    if heartbeat.state is State.NEVER_PINGED:
        content["hint"] = "a GET does not start it, because anything may GET an address: send a POST once"
    return json_answer(200, content)
