"""Jira Cloud: issues with a workflow, and an index that lags behind."""

from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tocsin_runner.twins.twin import SECRET, Twin, answer, basic

LAG_SECONDS = 3.0
STATUSES = {"1": ("To Do", "new"), "3": ("In Progress", "indeterminate"), "5": ("Done", "done")}


@dataclass(slots=True)
class JiraTwin(Twin):
    """One project."""

    issues: dict[str, dict[str, Any]] = field(default_factory=dict)
    ways: dict[str, list[str]] = field(default_factory=lambda: {"1": ["3", "5"], "3": ["1", "5"], "5": ["1", "3"]})

    name = "jira"

    def __post_init__(self) -> None:
        self.open("Something old", [])

    def refusal(self, request: Request, path: str) -> Response | None:
        """Everybody needs e-mail and token."""
        wanted = basic("tocsin@example.org", SECRET + "token")
        return None if request.headers.get("authorization") == wanted else answer({"errorMessages": ["Client must be authenticated"]}, 401)

    def world(self) -> Any:
        """Issues."""
        return {"issues": self.issues}

    def open(self, summary: str, labels: list[str]) -> str:
        """Open an issue; returns its key."""
        key = f"SHOP-{len(self.issues) + 1}"
        issue = {"summary": summary, "labels": labels, "status": "1", "changed": self.now(), "comments": 0}
        issue["indexed"] = self.clock.now().timestamp() + LAG_SECONDS
        if not self.ignoring:
            self.issues[key] = issue
        return key

    def move(self, key: str, status: str) -> None:
        """Bring an issue to a state."""
        if not self.ignoring:
            self.issues[key].update(status=status, changed=self.now())

    def routes(self) -> list[BaseRoute]:
        """The addresses of Jira."""
        return [
            Route("/rest/api/3/myself", self._myself),
            Route("/rest/api/3/search/jql", self._search, methods=["POST"]),
            Route("/rest/api/3/issue", self._create, methods=["POST"]),
            Route("/rest/api/3/issue/{key}", self._issue),
            Route("/rest/api/3/issue/{key}/transitions", self._transitions, methods=["GET", "POST"]),
        ]

    async def _myself(self, _: Request) -> Response:
        return answer({"emailAddress": "tocsin@example.org"})

    async def _search(self, request: Request) -> Response:
        said = await request.json()
        if not said.get("fields"):
            return answer({"errorMessages": ["fields are missing"]}, 400)
        now = self.clock.now().timestamp()
        found = [
            key
            for key, issue in self.issues.items()
            if issue["indexed"] <= now and any(f'"{label}"' in said["jql"] for label in issue["labels"])
        ]
        return answer({"issues": [self._shown(key) for key in found], "isLast": True})

    async def _create(self, request: Request) -> Response:
        fields = (await request.json())["fields"]
        if not fields.get("summary") or fields.get("project", {}).get("key") != "SHOP":
            return answer({"errors": {"project": "valid project is required"}}, 400)
        key = self.open(fields["summary"], fields.get("labels", []))
        return answer({"id": "1", "key": key, "self": f"https://jira.example/{key}"}, 201)

    async def _issue(self, request: Request) -> Response:
        key = request.path_params["key"]
        return answer(self._shown(key)) if key in self.issues else _missing()

    async def _transitions(self, request: Request) -> Response:
        key = request.path_params["key"]
        if key not in self.issues:
            return _missing()
        ways = self.ways[self.issues[key]["status"]]
        if request.method == "GET":
            return answer({"transitions": [{"id": f"{10 + int(to)}", "name": STATUSES[to][0], "to": _status(to)} for to in ways]})
        wanted = str(int((await request.json())["transition"]["id"]) - 10)
        if wanted not in ways:
            return answer({"errorMessages": ["the transition is not valid"]}, 400)
        self.move(key, wanted)
        return Response(status_code=204)

    def _shown(self, key: str) -> dict[str, Any]:
        issue = self.issues[key]
        fields = {"summary": issue["summary"], "labels": issue["labels"], "status": _status(issue["status"])}
        return {"key": key, "fields": {**fields, "statuscategorychangedate": issue["changed"], "comment": {"total": issue["comments"]}}}


def _status(status: str) -> dict[str, Any]:
    return {"id": status, "name": STATUSES[status][0], "statusCategory": {"key": STATUSES[status][1]}}


def _missing() -> Response:
    return answer({"errorMessages": ["Issue does not exist or you do not have permission to see it."]}, 404)
