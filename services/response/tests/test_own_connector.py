"""A connector of the operator's own, in one Python file, through a whole run: kept, done, seen, entered, taken back and exported."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tocsin.response.v1 import playbook_service_pb2 as pb
from tocsin.response.v1.containment_events_pb2 import MeasureApplied, MeasureLifted
from tocsin.response.v1.playbook_pb2 import Run

from tocsin_chassis.grpc.channel import channel
from tocsin_client import cli
from tocsin_response.app import response
from tocsin_response.settings import ResponseSettings
from tocsin_runner.app import work
from tocsin_runner.runner import Runner
from tocsin_runner.secrets import Redactor
from tocsin_runner.settings import RunnerSettings
from tocsin_testkit.playbook_stage import END, Stage, action, cacao, step
from tocsin_testkit.world import RUNNER, World

FENCE, ALARM = step("action", 10), step("action", 11)
HOST = {"__host__": {"type": "string", "value": "web-7", "external": True}}

# Whatever fences hosts off in this company: here a folder with a file for each host that is fenced off.
CONNECTOR = """
from pathlib import Path

from tocsin_runner.assignment import Failed
from tocsin_runner.connectors.interface import Argument, Description, Sight, Standing


class Fencing:
    description = Description("isolate-host", arguments={"host": Argument()}, reversible=True)

    def __init__(self, folder):
        self.folder = folder

    def file(self, job):
        return self.folder / str(job.arguments["host"])

    async def look(self, job):
        fenced = self.file(job).exists()
        mine = fenced and self.file(job).read_text() == job.marker
        return Sight({"fenced": fenced}, Standing.EFFECTIVE if fenced else Standing.ABSENT, mine)

    def refusal(self, job, sight):
        return "it is ours" if job.arguments["host"] == "console" else ""

    async def execute(self, job, sight):
        job.task.about_to_change()
        self.file(job).write_text(job.marker)
        job.task.answered()
        return True

    async def undo(self, job, sight):
        job.task.about_to_change()
        self.file(job).unlink()
        job.task.answered()
        return True

    def foreign(self, job, sight):
        return "" if sight.mine else "somebody else has fenced it off since"

    def undone(self, job, sight):
        return Standing.ABSENT if sight.state["fenced"] else Standing.EFFECTIVE


class Alarm(Fencing):
    description = Description("open-ticket", arguments={"title": Argument()})

    async def look(self, job):
        return Sight({}, Standing.ABSENT)

    def refusal(self, job, sight):
        return ""

    async def execute(self, job, sight):
        raise Failed("nobody is there")


class Bound:
    def __init__(self, folder):
        self.actions = {"isolate-host": Fencing(folder), "open-ticket": Alarm(folder)}

    async def check(self):
        return "it is there"


class Kind:
    name = "fences"
    title = "Our fences"
    settings = {}
    descriptions = {"isolate-host": Fencing.description, "open-ticket": Alarm.description}

    def bind(self, connection, http, clock):
        return Bound(Path(__file__).parent / "fenced")


CONNECTOR = Kind()
"""


@pytest.fixture
async def stage(world: World) -> AsyncIterator[Stage]:
    async with world.running(response(world.settings("response", ResponseSettings))) as app:
        yield Stage(world, app)


@pytest.fixture
async def fenced(stage: Stage, tmp_path: Path) -> AsyncIterator[Path]:
    """The hosts that are fenced off, by a runner that knows the connector."""
    (tmp_path / "fenced").mkdir()
    (tmp_path / "fences.py").write_text(CONNECTOR)
    address, key = f"127.0.0.1:{stage.app.port}", stage.world.keys.folder / f"{RUNNER}.jwk"
    settings = RunnerSettings(response=address, signing_key_file=key, connectors=tmp_path)
    stop, clock = asyncio.Event(), stage.app.database.clock
    async with work(settings, Redactor(), clock) as carrying_out, channel(address, stage.world.keys.identity(RUNNER)) as platform:
        working = asyncio.create_task(Runner(platform, carrying_out, clock, name="ours", at_once=4, grace=1.0).run(stop))
        yield tmp_path / "fenced"
        stop.set()
        await working


def act(name: str, after: str = END, **more: object) -> dict[str, object]:
    arguments = {"isolate-host": {"host": "__host__:value"}, "open-ticket": {"title": "__host__:value is fenced off"}}[name]
    command = {"type": "tocsin-action", "action": name, "connector": "fences", "arguments": arguments}
    made = action(after, commands=[command], **more)
    del made["targets"]
    return made


async def test_a_connector_in_python_fences_a_host_off_and_the_run_can_be_checked_again(
    stage: Stage, world: World, fenced: Path, tmp_path: Path
) -> None:
    run = await stage.run(cacao({FENCE: act("isolate-host")}, HOST), variables={"__host__": "web-7"})
    await stage.reaches(run, "SUCCEEDED")
    assert [each.name for each in fenced.iterdir()] == ["web-7"]
    [applied] = await world.facts(MeasureApplied)
    assert (applied.measure.target, applied.measure.connector, applied.measure.reversible) == ("web-7", "fences", True)
    assert applied.measure.HasField("verified_at") and not applied.measure.prior_state["fenced"]
    exported = tmp_path / "run.json"
    exported.write_text((await stage.alice.ExportRun(pb.ExportRunRequest(run_id=run.id))).cacao)
    assert "done, and seen to be effective" in exported.read_text()
    assert await asyncio.to_thread(cli.run, ["playbook", "check", str(exported)]) == 0


async def test_what_it_did_is_taken_back_when_a_later_step_fails_and_what_it_refuses_is_not_done(
    stage: Stage, world: World, fenced: Path
) -> None:
    steps = {FENCE: act("isolate-host", ALARM, options={"undo_on_failure": True}), ALARM: act("open-ticket")}
    await stage.put(cacao(steps, HOST))
    failed, refused = [await stage.start(variables={"__host__": host}) for host in ("web-7", "console")]
    for run in (failed, refused):
        await stage.reaches(run, "FAILED")
    assert list(fenced.iterdir()) == []
    [lifted] = await world.facts(MeasureLifted)
    assert lifted.measure.target == "web-7"
    shown = await stage.shown(refused)
    assert shown.run.state == Run.STATE_FAILED and "it is ours" in shown.run.explanation
