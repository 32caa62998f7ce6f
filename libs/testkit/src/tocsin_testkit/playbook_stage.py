"""A stage on which playbooks are run: the service on real servers, people who call it, and a runner whose every move the test makes."""

import json
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from google.protobuf.duration_pb2 import Duration
from tocsin.access.v1.access_pb2 import Role
from tocsin.response.v1 import playbook_service_pb2 as pb
from tocsin.response.v1 import response_service_pb2 as response_pb
from tocsin.response.v1 import runner_service_pb2 as runner_pb
from tocsin.response.v1.oncall_pb2 import Responder, Team
from tocsin.response.v1.playbook_pb2 import Playbook, Question, Run, Step
from tocsin.response.v1.playbook_service_pb2_grpc import PlaybookServiceStub
from tocsin.response.v1.response_service_pb2_grpc import ResponseServiceStub
from tocsin.response.v1.runner_service_pb2 import Assignment, Outcome
from tocsin.response.v1.runner_service_pb2_grpc import RunnerServiceStub

from tocsin_chassis.grpc.caller import Caller
from tocsin_kernel.ids import uuid7
from tocsin_playbook.playbook import EXTENSION
from tocsin_testkit.world import World

RUNNER = Caller("runner", service="runner")
PLAYBOOK_ID = "playbook--c0ffee00-0000-4000-8000-000000000001"
AGENT, TARGET = "organization--c0ffee00-0000-4000-8000-00000000000a", "http-api--c0ffee00-0000-4000-8000-00000000000b"


def step(kind: str, number: int) -> str:
    """The id of a step."""
    return f"{kind}--c0ffee00-0000-4000-8000-{number:012}"


START, END = step("start", 1), step("end", 99)


def action(after: str = END, *, number: int = 0, options: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """An action that any runner can do."""
    command = {"type": "http-api", "command": f"POST /{number} HTTP/1.1"}
    extension = {"step_extensions": {EXTENSION: options}} if options else {}
    flow = {} if {"on_completion", "on_success"} & set(fields) else {"on_completion": after}
    return {
        "type": "action",
        "name": f"action {number}",
        "commands": [command],
        "agent": AGENT,
        "targets": [TARGET],
        **flow,
        **extension,
        **fields,
    }


def cacao(workflow: dict[str, Any], variables: dict[str, Any] | None = None, **more: Any) -> str:
    """A playbook that begins with the first of these steps."""
    document = {
        "type": "playbook",
        "spec_version": "cacao-2.0",
        "id": PLAYBOOK_ID,
        "name": "Try it",
        "created_by": "identity--c0ffee00-0000-4000-8000-000000000002",
        "created": "2026-11-01T00:00:00.000Z",
        "modified": "2026-11-01T00:00:00.000Z",
        "workflow_start": START,
        "workflow": {
            START: {"type": "start", "on_completion": next(iter(workflow))},
            END: {"type": "end"},
            **workflow,
        },
        "playbook_variables": variables or {},
        "agent_definitions": {AGENT: {"type": "organization", "name": "us"}},
        "target_definitions": {TARGET: {"type": "http-api", "name": "edr", "address": {"dname": ["edr.example"]}}},
        **more,
    }
    return json.dumps(document)


def chain(count: int, **fields: Any) -> str:
    """Actions one after the other."""
    steps = {
        step("action", 10 + number): action(step("action", 11 + number) if number < count - 1 else END, number=number, **fields)
        for number in range(count)
    }
    return cacao(steps)


class Stage:
    """Calls as alice (a manager), or as anybody else."""

    def __init__(self, world: World, app: Any) -> None:
        self.world = world
        self.app = app
        self.alice = self.person("alice")
        self.response = world.stub(ResponseServiceStub, app, Caller("alice", Role.ROLE_MANAGER))
        self.door = world.stub(RunnerServiceStub, app, RUNNER)

    def person(self, name: str) -> Any:
        return self.world.stub(PlaybookServiceStub, self.app, Caller(name, Role.ROLE_MANAGER))

    async def people(self, *names: str, team: Iterable[str] = ()) -> None:
        """Responders, and those of them who are in the team "approvers"."""
        configuration = response_pb.Configuration(
            responders=[Responder(name=name) for name in names], teams=[Team(name="approvers", members=team)]
        )
        await self.response.ApplyConfiguration(response_pb.ApplyConfigurationRequest(configuration=configuration))

    async def put(self, content: str, name: str = "try") -> None:
        await self.alice.PutPlaybook(pb.PutPlaybookRequest(playbook=Playbook(name=name, content=content)))

    async def start(self, name: str = "try", **more: Any) -> Run:
        answer = await self.alice.StartRun(pb.StartRunRequest(request_id=str(uuid7()), playbook=name, **more))
        found: Run = answer.run
        return found

    async def run(self, content: str, **more: Any) -> Run:
        """Put a playbook and start it."""
        await self.put(content)
        return await self.start(**more)

    async def claim(
        self, most: int = 10, wait: float = 0.0, runner: str = "r1", capabilities: Iterable[str] = ("http-api",)
    ) -> list[Assignment]:
        duration = Duration()
        duration.FromTimedelta(timedelta(seconds=wait))
        request = runner_pb.ClaimStepsRequest(runner=runner, most=most, wait=duration, capabilities=capabilities)
        return list((await self.door.ClaimSteps(request)).assignments)

    async def report(self, *assignments: Assignment, state: Any = Outcome.STATE_SUCCEEDED, **more: Any) -> list[str]:
        """The same outcome for all of these; returns those that were refused."""
        outcomes = [Outcome(lease=each.lease, state=state, **more) for each in assignments]
        return list((await self.door.ReportOutcomes(runner_pb.ReportOutcomesRequest(outcomes=outcomes))).refused)

    async def shown(self, run: Run) -> pb.GetRunResponse:
        answer: pb.GetRunResponse = await self.alice.GetRun(pb.GetRunRequest(run_id=run.id))
        return answer

    async def state(self, run: Run) -> str:
        return Run.State.Name((await self.shown(run)).run.state).removeprefix("STATE_")

    async def states(self, run: Run) -> dict[str, str]:
        """How each step stands, by its path."""
        return {each.path: Step.State.Name(each.state).removeprefix("STATE_") for each in (await self.shown(run)).steps}

    async def question(self, run: Run) -> Question:
        """The newest question of a run."""
        found: Question = (await self.shown(run)).questions[-1]
        return found

    async def reaches(self, run: Run, state: str) -> None:
        """Wait until the run is so."""

        async def there() -> bool:
            return await self.state(run) == state

        await self.world.eventually(there, 10, f"run to be {state}")
