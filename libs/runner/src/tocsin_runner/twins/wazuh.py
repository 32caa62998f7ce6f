"""Wazuh: a manager that passes orders on, agents that carry them out when they hear them, and the indexer that has their alerts."""

from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tocsin_runner.twins.twin import SECRET, Twin, answer, basic

TOKEN = "simulated-bearer-of-wazuh"
ACT_SECONDS = 4.0
RULES = {"firewall-drop0": "651", "!tocsin-unblock": "652"}


@dataclass(slots=True)
class WazuhTwin(Twin):
    """Agents, orders and alerts."""

    agents: dict[str, dict[str, Any]] = field(default_factory=dict)
    orders_given: list[dict[str, Any]] = field(default_factory=list)
    alerts: list[dict[str, Any]] = field(default_factory=list)

    name = "wazuh"

    def __post_init__(self) -> None:
        for number, host in enumerate(("db-1", "web-1"), 1):
            self.agents[f"{number:03}"] = {"id": f"{number:03}", "name": host, "status": "active"}

    def refusal(self, request: Request, path: str) -> Response | None:
        """Basic for a token and for the indexer, the token for the rest."""
        wanted = f"Bearer {TOKEN}"
        if path == "/security/user/authenticate":
            wanted = basic("tocsin", SECRET + "password")
        elif path.endswith("/_search"):
            wanted = basic("reader", SECRET + "indexer_password")
        return None if request.headers.get("authorization") == wanted else answer({"title": "Unauthorized", "detail": "Invalid token"}, 401)

    def world(self) -> Any:
        """Agents, what they were told and what they did."""
        self.settle()
        return {"agents": list(self.agents.values()), "orders": self.orders_given, "alerts": self.alerts}

    def blocked(self, agent: str, address: str) -> bool:
        """True if the agent drops what comes from the address."""
        self.settle()
        done = [alert for alert in self.alerts if alert["agent"] == agent and alert["srcip"] == address]
        return bool(done) and done[-1]["rule"] == "651"

    def tell(self, agent: str, address: str, rule: str) -> None:
        """An order for an agent."""
        if not self.ignoring:
            due = self.clock.now().timestamp() + ACT_SECONDS
            self.orders_given.append({"agent": agent, "srcip": address, "rule": rule, "due": due, "done": False})

    def settle(self) -> None:
        """Agents that are connected have done what they were told a while ago, and say so."""
        for order in self.orders_given:
            ready = self.agents[order["agent"]]["status"] == "active" and order["due"] <= self.clock.now().timestamp()
            if ready and not order["done"]:
                order["done"] = True
                self.alerts.append({"agent": order["agent"], "srcip": order["srcip"], "rule": order["rule"], "at": self.now()})

    def routes(self) -> list[BaseRoute]:
        """The addresses of the manager and of the indexer."""
        return [
            Route("/security/user/authenticate", self._token, methods=["GET", "POST"]),
            Route("/manager/info", self._info),
            Route("/agents", self._agents),
            Route("/active-response", self._act, methods=["PUT"]),
            Route("/wazuh-alerts-{rest}/_search", self._search, methods=["POST"]),
        ]

    async def _token(self, _: Request) -> Response:
        return answer({"data": {"token": TOKEN}, "error": 0})

    async def _info(self, _: Request) -> Response:
        return answer({"data": {"affected_items": [{"version": "v4"}]}, "error": 0})

    async def _agents(self, request: Request) -> Response:
        found = [agent for agent in self.agents.values() if agent["id"] == request.query_params.get("agents_list")]
        return answer({"data": {"affected_items": found, "total_affected_items": len(found)}, "error": 0})

    async def _act(self, request: Request) -> Response:
        said = await request.json()
        agent = request.query_params.get("agents_list", "")
        if said["command"] not in RULES or agent not in self.agents:
            return answer({"data": {"affected_items": [], "total_failed_items": 1}, "message": "no agent was told", "error": 1})
        self.tell(agent, said["alert"]["data"]["srcip"], RULES[said["command"]])
        return answer({"data": {"affected_items": [agent], "failed_items": [], "total_affected_items": 1}, "error": 0})

    async def _search(self, request: Request) -> Response:
        self.settle()
        filters = (await request.json())["query"]["bool"]["filter"]
        wanted = {name: value for item in filters for name, value in item.get("term", {}).items()}
        found = [alert for alert in self.alerts if (alert["agent"], alert["srcip"]) == (wanted["agent.id"], wanted["data.srcip"])]
        hits = [{"_source": {"rule": {"id": alert["rule"]}, "timestamp": alert["at"]}} for alert in reversed(found)]
        return answer({"hits": {"hits": hits[:1]}})
