"""GitHub: issues and deploy keys of repositories."""

from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tocsin_runner.twins.twin import SECRET, Twin, answer


@dataclass(slots=True)
class GithubTwin(Twin):
    """One organisation."""

    issues: list[dict[str, Any]] = field(default_factory=list)
    keys: list[dict[str, Any]] = field(default_factory=list)
    count: int = 100

    name = "github"

    def __post_init__(self) -> None:
        self.open("Something old", "", [])
        self.keys.append({"id": 1, "title": "ci", "key": "ssh-ed25519 AAAAC3Nz ci", "read_only": False})

    def refusal(self, request: Request, path: str) -> Response | None:
        """Everybody needs a token."""
        return None if request.headers.get("authorization") == f"Bearer {SECRET}token" else answer({"message": "Bad credentials"}, 401)

    def world(self) -> Any:
        """Issues and keys."""
        return {"issues": self.issues, "keys": self.keys}

    def open(self, title: str, body: str, labels: list[str]) -> dict[str, Any]:
        """Open an issue."""
        self.count += 1
        issue = {
            "number": self.count,
            "title": title,
            "body": body,
            "state": "open",
            "state_reason": None,
            "closed_at": None,
            "comments": 0,
            "labels": [{"name": label} for label in labels],
            "html_url": f"https://github.example/issues/{self.count}",
        }
        if not self.ignoring:
            self.issues.append(issue)
        return issue

    def change(self, issue: dict[str, Any], said: dict[str, Any]) -> None:
        """Change an issue."""
        if not self.ignoring:
            issue.update(said, closed_at=self.now() if said.get("state") == "closed" else None)
            if said.get("state") == "open":
                issue["state_reason"] = None

    def routes(self) -> list[BaseRoute]:
        """The addresses of GitHub."""
        return [
            Route("/rate_limit", self._rate),
            Route("/repos/{owner}/{repository}/issues", self._issues, methods=["GET", "POST"]),
            Route("/repos/{owner}/{repository}/issues/{number:int}", self._issue, methods=["GET", "PATCH"]),
            Route("/repos/{owner}/{repository}/keys", self._keys, methods=["GET", "POST"]),
            Route("/repos/{owner}/{repository}/keys/{key:int}", self._key, methods=["DELETE"]),
        ]

    async def _rate(self, _: Request) -> Response:
        return answer({"rate": {"remaining": 4999}})

    async def _issues(self, request: Request) -> Response:
        if request.method == "POST":
            said = await request.json()
            return answer(self.open(said["title"], said.get("body", ""), said.get("labels", [])), 201)
        label = request.query_params.get("labels")
        return answer([issue for issue in self.issues if not label or label in [item["name"] for item in issue["labels"]]])

    async def _issue(self, request: Request) -> Response:
        issue = next((issue for issue in self.issues if issue["number"] == request.path_params["number"]), None)
        if issue is None:
            return answer({"message": "Not Found"}, 404)
        if request.method == "PATCH":
            self.change(issue, await request.json())
        return answer(issue)

    async def _keys(self, request: Request) -> Response:
        if request.method == "GET":
            return answer(self.keys)
        said = await request.json()
        if any(key["key"] == said["key"] for key in self.keys):
            return answer({"message": "key is already in use"}, 422)
        self.count += 1
        if not self.ignoring:
            self.keys.append({"id": self.count, **said})
        return answer(self.keys[-1], 201)

    async def _key(self, request: Request) -> Response:
        found = [key for key in self.keys if key["id"] == request.path_params["key"]]
        if not found:
            return answer({"message": "Not Found"}, 404)
        if not self.ignoring:
            self.keys.remove(found[0])
        return Response(status_code=204)
