"""Tocsin itself, as its public door is: summonses, tasks, updates and the timeline of one incident. It pages nobody."""

from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tocsin_runner.twins.twin import SECRET, Twin, answer

RESPONDERS = ("ada", "ben")


@dataclass(slots=True)
class TocsinTwin(Twin):
    """One incident. What came with a request_id once is answered as it was the first time."""

    summonses: list[dict[str, Any]] = field(default_factory=list)
    tasks: list[dict[str, Any]] = field(default_factory=list)
    timeline: list[dict[str, Any]] = field(default_factory=list)
    answered: dict[str, Any] = field(default_factory=dict)

    name = "tocsin"

    def refusal(self, request: Request, path: str) -> Response | None:
        """Everybody needs the key."""
        if request.headers.get("authorization") == f"Bearer {SECRET}token":
            return None
        return answer({"code": "unauthenticated", "message": "the key is not known"}, 401)

    def world(self) -> Any:
        """Who was asked, what is to be done, what was told."""
        return {"summonses": self.summonses, "tasks": self.tasks, "timeline": self.timeline}

    def routes(self) -> list[BaseRoute]:
        """The calls by the Connect protocol."""
        command, response = "/tocsin.response.v1.CommandService", "/tocsin.response.v1.ResponseService"
        return [
            Route(f"{response}/ListEscalations", self._escalations, methods=["POST"]),
            Route("/tocsin.response.v1.EscalationService/AddResponder", self._add_responder, methods=["POST"]),
            Route(f"{command}/NoteUpdate", self._note, methods=["POST"]),
            Route(f"{command}/AddTask", self._add_task, methods=["POST"]),
            Route(f"{command}/CancelTask", self._cancel_task, methods=["POST"]),
            Route(f"{command}/ListTasks", self._list_tasks, methods=["POST"]),
            Route("/tocsin.review.v1.ReviewService/GetTimeline", self._timeline, methods=["POST"]),
        ]

    def told(self, fact: str, summary: str) -> None:
        """Write a line into the timeline."""
        self.timeline.append({"id": f"fact-{len(self.timeline) + 1}", "at": self.now(), "fact": fact, "summary": summary})

    async def _escalations(self, _: Request) -> Response:
        return answer({"summonses": self.summonses} if self.summonses else {})

    async def _add_responder(self, request: Request) -> Response:
        said = await request.json()
        who = said["target"]["responder"]
        if who not in RESPONDERS:
            return answer({"code": "not_found", "message": f"there is no responder {who}"}, 404)
        made = {"id": f"summons-{len(self.summonses) + 1}", "responder": who, "reason": "ADDED"}
        return self._once(said, {"summonses": [made]}, lambda: self.summonses.append(made))

    async def _note(self, request: Request) -> Response:
        said = await request.json()
        return self._once(said, {"command": {}}, lambda: self.told("UpdateNoted", f"People were told: {said['text']}"))

    async def _add_task(self, request: Request) -> Response:
        said = await request.json()
        made = {"id": f"task-{len(self.tasks) + 1}", "title": said["title"], "description": said["description"], "state": "STATE_OPEN"}
        return self._once(said, {"task": made}, lambda: self.tasks.append(made))

    async def _cancel_task(self, request: Request) -> Response:
        said = await request.json()
        found = next((task for task in self.tasks if task["id"] == said["task_id"]), None)
        if found is None:
            return answer({"code": "not_found", "message": "there is no such task"}, 404)
        if found["state"] == "STATE_COMPLETED":
            return answer({"code": "failed_precondition", "message": "the task is completed"}, 400)
        return self._once(said, {"task": found}, lambda: found.update(state="STATE_CANCELLED"))

    async def _list_tasks(self, _: Request) -> Response:
        return answer({"tasks": self.tasks} if self.tasks else {})

    async def _timeline(self, _: Request) -> Response:
        return answer({"entries": self.timeline} if self.timeline else {})

    def _once(self, said: dict[str, Any], content: Any, act: Any) -> Response:
        known = self.answered.get(said["request_id"])
        if known is not None:
            return answer(known)
        if not self.ignoring:
            act()
            self.answered[said["request_id"]] = content
        return answer(content)
