"""ServiceNow: the incident table."""

from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tocsin_runner.twins.twin import SECRET, Twin, answer, basic


@dataclass(slots=True)
class ServicenowTwin(Twin):
    """Records by their sys_id."""

    records: dict[str, dict[str, str]] = field(default_factory=dict)

    name = "servicenow"

    def __post_init__(self) -> None:
        self.create({"short_description": "Something old"})

    def refusal(self, request: Request, path: str) -> Response | None:
        """Everybody needs user and password."""
        wanted = basic("tocsin", SECRET + "password")
        return None if request.headers.get("authorization") == wanted else _error(401, "User Not Authenticated")

    def world(self) -> Any:
        """Records."""
        return {"records": list(self.records.values())}

    def create(self, said: dict[str, str]) -> dict[str, str]:
        """A new record."""
        record = {"sys_id": uuid4().hex, "number": f"INC{10001 + len(self.records):07}", "state": "1", "sys_mod_count": "0", **said}
        if not self.ignoring:
            self.records[record["sys_id"]] = record
        return record

    def change(self, record: dict[str, str], said: dict[str, str]) -> None:
        """Change a record."""
        if not self.ignoring:
            record.update(said, sys_mod_count=str(int(record["sys_mod_count"]) + 1))

    def routes(self) -> list[BaseRoute]:
        """The addresses of the Table API."""
        return [
            Route("/api/now/table/incident", self._table, methods=["GET", "POST"]),
            Route("/api/now/table/incident/{record}", self._record, methods=["GET", "PATCH"]),
        ]

    async def _table(self, request: Request) -> Response:
        if request.method == "POST":
            return answer({"result": self.create(await request.json())}, 201)
        field_name, _, value = request.query_params.get("sysparm_query", "").partition("=")
        found = [record for record in self.records.values() if not field_name or record.get(field_name) == value]
        return answer({"result": found[: int(request.query_params.get("sysparm_limit", "100"))]})

    async def _record(self, request: Request) -> Response:
        record = self.records.get(request.path_params["record"])
        if record is None:
            return _error(404, "No Record found")
        if request.method == "PATCH":
            said = await request.json()
            if said.get("state") == "6" and not (said.get("close_code") and said.get("close_notes")):
                return _error(403, "Data Policy Exception: close_code and close_notes are mandatory")
            self.change(record, said)
        return answer({"result": record})


def _error(status: int, message: str) -> Response:
    return answer({"error": {"message": message, "detail": ""}, "status": "failure"}, status)
