"""What every connector keeps, whatever system it speaks to. A new connector is done when it passes, not before."""

import copy
import re
from collections.abc import Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

from tocsin_runner.assignment import Assignment, Outcome, State, Verb
from tocsin_runner.commands.action import ActionCommand
from tocsin_runner.connectors.catalogue import Bindings, Catalogue
from tocsin_runner.connectors.connections import Connections
from tocsin_runner.connectors.lifecycle import Lifecycle
from tocsin_runner.http import http_client
from tocsin_runner.secrets import Redactor, Secrets
from tocsin_runner.twins.server import Twins, served
from tocsin_runner.twins.twin import SECRET, Fault, Twin, TwinClock
from tocsin_runner.work import Work

CATALOGUE = Catalogue(None)


@dataclass
class Case:
    """One action of one connector, and what of its twin's world shows the effect."""

    connector: str
    action: str
    twin: Callable[[TwinClock], Twin]
    arguments: dict[str, Any]
    change: tuple[str, str]
    """Method and path, as an expression, of the request that changes something."""
    effective: Callable[[Any], bool]
    settings: dict[str, str] = field(default_factory=dict)
    refuse: Callable[[Any], None] | None = None
    """Makes the twin's world one in which the action must be refused."""
    foreign: Callable[[Any], None] | None = None
    """Lets somebody else act after ours."""
    offline: Callable[[Any], None] | None = None
    online: Callable[[Any], None] | None = None
    exact: Callable[[Any], Any] | None = None
    """All that an undo has to put back exactly."""
    token: bool = False
    """True if the connector fetches a token that can expire."""
    lasting: bool = True
    """False if doing it again later is right: nothing shows that it was done before."""
    by_http: bool = True
    """False where it is not asked over HTTP: nobody is told to come later there, and a line takes a while."""
    vary: Callable[[Any, Random], None] | None = None
    """Makes the twin's world another one in what an undo has to put back."""
    connect: Callable[[Any, Path], dict[str, str]] | None = None
    """What a connection says, and which secrets there are, where the twin's address is not all of it."""
    label: str = ""

    @property
    def id(self) -> str:
        """Its name in the report."""
        return f"{self.connector}-{self.label or self.action}"

    @property
    def description(self):
        """What the catalogue says of the action."""
        return CATALOGUE.kinds[self.connector].descriptions[self.action]


class House:
    """A runner's work at a twin."""

    def __init__(self, case: Case, twins: Twins, work: Work):
        self.case = case
        self.twins = twins
        self.twin: Any = twins.twins[case.connector]
        self.work = work
        self.priors: list[Any] = []
        self.kept = None
        self.before_change: list[bool] = []
        self.outcomes: list[Outcome] = []

    async def do(self, *, key="key-1", verb=Verb.EXECUTE, look_first=False, token=None, arguments=None, seconds=120.0, simulated=False):
        """Carry it out; returns the outcome."""
        command = {
            "type": "tocsin-action",
            "connector": self.case.connector,
            "action": self.case.action,
            "arguments": self.case.arguments if arguments is None else arguments,
        }
        assignment = Assignment(
            "a",
            1,
            key,
            command,
            verb=verb,
            incident_id="inc-42",
            look_first=look_first,
            undo_token=token,
            prior_state=self.kept if look_first or verb is not Verb.EXECUTE else None,
            seconds=seconds,
            simulated=simulated,
            out_args=("__ticket__", "__http_body__"),
        )

        async def keep(prior):
            self.before_change.append(self.changes == 0)
            self.kept = self.kept or dict(prior)
            return self.kept

        outcome = await self.work.carry_out(assignment, keep, lambda: True)
        self.outcomes.append(outcome)
        return outcome

    async def undo(self, outcome, **more):
        """Undo what an outcome brought."""
        return await self.do(key="undo-1", verb=Verb.UNDO, token=outcome.undo_token, **more)

    @property
    def changes(self) -> int:
        """How often the changing request arrived."""
        return len(self.changing)

    @property
    def changing(self):
        """The changing requests that arrived."""
        method, path = self.case.change
        return [asked for asked in self.twin.asked if asked.method == method and re.search(path, asked.path)]

    def befall(self, fault: Fault):
        """Let something befall the next changing request."""
        self.twin.order(fault, *self.case.change)

    def exact(self):
        """All that an undo has to put back, as it is now."""
        return copy.deepcopy(self.case.exact(self.twin)) if self.case.exact else None

    @property
    def is_effective(self) -> bool:
        """What the twin's world says."""
        self.twins.clock.forward(0)
        return self.case.effective(self.twin)


@asynccontextmanager
async def house(case: Case, folder):
    """Twins, and a runner's work with secrets of its own."""
    clock = TwinClock()
    twins = Twins(clock, [case.twin(clock)])
    redactor = Redactor()
    rules = CATALOGUE.kinds[case.connector].settings
    for name in [name for name, rule in rules.items() if rule.secret]:
        (folder / name).write_text(SECRET + name)
        (folder / name).chmod(0o600)
    async with served(twins):
        base = f"{twins.url}/{case.connector}"
        host = "127.0.0.1"
        given = {name: "secret:" + name if rule.secret else rule.simulated or rule.default or base for name, rule in rules.items()}
        given = {name: base if value.startswith("https://") else value for name, value in given.items()}
        given |= case.settings
        if case.connect is not None:
            given |= case.connect(twins.twins[case.connector], folder)
        async with http_client([host]) as http, http_client([host]) as simulated:
            secrets = Secrets(folder, {}, redactor)
            bindings = Bindings(CATALOGUE, Connections({case.connector: given}, {}), secrets, http, clock, (simulated, twins.url))

            async def sleep(seconds):
                clock.forward(max(seconds, 12.0))

            yield House(case, twins, Work({"tocsin-action": ActionCommand(bindings, Lifecycle(clock, sleep))}, redactor))


class ConnectorConformance:
    """The cases. Each is one promise of the contract."""

    async def test_it_is_done_and_seen(self, house):
        """The prior state is kept before anything is changed; only what a look shows counts as done."""
        assert not house.is_effective
        outcome = await house.do()
        assert outcome.state is State.SUCCEEDED, outcome
        assert house.is_effective
        assert outcome.verified is house.case.description.verified
        assert house.before_change == [True]
        assert house.case.action != "open-ticket" or "__ticket__" in outcome.variables
        assert (outcome.undo_token is not None) is house.case.description.reversible

    async def test_done_already_changes_nothing(self, house):
        await house.do()
        if not house.case.lasting:
            return
        changes = house.changes
        again = await house.do(key="key-2")
        assert again.state is State.ALREADY_IN_STATE, again
        assert again.undo_token is None
        assert house.changes == changes

    async def test_a_precheck_refuses(self, house):
        if house.case.refuse is None:
            return
        house.case.refuse(house.twin)
        outcome = await house.do()
        assert outcome.state is State.REJECTED, outcome
        assert all(asked.status >= 400 for asked in house.changing)

    async def test_a_missing_argument_is_refused(self, house):
        outcome = await house.do(arguments={"nonsense": "x"})
        assert outcome.state is State.REJECTED
        assert house.twin.asked == []

    async def test_a_lost_answer_is_looked_up_and_nothing_is_done_twice(self, house):
        await self._unknown_after(house, Fault.DROPPED_AFTER)

    async def test_an_error_after_the_effect_is_looked_up(self, house):
        await self._unknown_after(house, Fault.BROKEN_AFTER)

    async def _unknown_after(self, house, fault):
        house.befall(fault)
        first = await house.do()
        assert first.state in (State.UNKNOWN, State.SUCCEEDED), first
        second = await house.do(look_first=True) if first.state is State.UNKNOWN else first
        if not house.case.description.verified and not house.case.description.repeatable:
            assert second.state is State.UNKNOWN
            return
        assert second.state is State.SUCCEEDED, second
        assert house.is_effective
        assert house.case.action != "open-ticket" or "__ticket__" in second.variables
        assert house.changes == 1 or house.case.description.repeatable
        if house.case.description.reversible:
            assert (await house.undo(second)).state is State.SUCCEEDED
            assert not house.is_effective

    async def test_an_error_before_the_effect_is_looked_up_and_then_it_is_done(self, house):
        for fault in (Fault.BROKEN_BEFORE, Fault.DROPPED_BEFORE):
            house.befall(fault)
        for _ in range(3):
            outcome = await house.do(look_first=house.kept is not None)
            if outcome.state is not State.UNKNOWN:
                break
            assert not house.is_effective
        if house.case.description.verified or house.case.description.repeatable:
            assert outcome.state is State.SUCCEEDED, outcome
            assert house.is_effective

    async def test_too_many_requests_wait_as_long_as_they_are_told(self, house):
        if not house.case.by_http:
            return
        house.befall(Fault.THROTTLED)
        outcome = await house.do()
        assert outcome.state is State.FAILED, outcome
        assert timedelta(seconds=6) < outcome.look_again_at - house.twins.clock.now() < timedelta(seconds=8)
        assert not house.is_effective
        assert (await house.do()).state is State.SUCCEEDED

    async def test_what_is_forbidden_is_refused(self, house):
        house.befall(Fault.FORBIDDEN)
        outcome = await house.do()
        assert outcome.state is State.REJECTED, outcome
        assert not house.is_effective

    async def test_a_token_that_runs_out_is_renewed(self, house):
        house.befall(Fault.EXPIRED)
        outcome = await house.do()
        assert outcome.state is (State.SUCCEEDED if house.case.token else State.REJECTED), outcome

    async def test_taken_on_is_not_effective(self, house):
        """The other side answers like a success and does nothing."""
        if not house.case.description.verified:
            return
        house.befall(Fault.IGNORED)
        outcome = await house.do()
        assert outcome.state is State.FAILED, outcome
        assert not outcome.verified

    async def test_an_offline_target_is_pending_until_it_is_back(self, house):
        if house.case.offline is None:
            return
        house.case.offline(house.twin)
        outcome = await house.do()
        assert outcome.state is State.ACCEPTED, outcome
        assert outcome.look_again_at > house.twins.clock.now()
        assert not house.is_effective
        assert (await house.do(verb=Verb.VERIFY, token=outcome.undo_token)).state is State.ACCEPTED
        house.case.online(house.twin)
        house.twins.clock.forward(60)
        seen = await house.do(verb=Verb.VERIFY, token=outcome.undo_token)
        assert seen.state is State.SUCCEEDED, seen
        assert seen.verified and house.is_effective
        # Response hands it out again, and has only what was kept before; that is enough for an undo.
        again = await house.do(look_first=True)
        assert again.state is State.SUCCEEDED and house.changes == 1, again
        if not house.case.description.reversible:
            return
        assert (await house.undo(again)).state is State.SUCCEEDED
        assert not house.is_effective

    async def test_an_offline_target_is_called_off(self, house):
        if house.case.offline is None or not house.case.description.reversible:
            return
        house.case.offline(house.twin)
        outcome = await house.do()
        assert (await house.undo(outcome)).state is not State.FAILED
        house.case.online(house.twin)
        house.twins.clock.forward(60)
        assert not house.is_effective

    async def test_an_undo_puts_back_exactly_what_was(self, house):
        if not house.case.description.reversible:
            refused = await house.undo(await house.do())
            assert refused.state is State.REJECTED
            return
        before = house.exact()
        done = await house.do()
        undone = await house.undo(done)
        assert undone.state is State.SUCCEEDED, undone
        assert not house.is_effective
        assert before is None or house.exact() == before
        if house.case.description.verified:
            assert undone.verified
            assert (await house.undo(done)).state is State.ALREADY_IN_STATE

    async def test_whatever_it_was_before_comes_back(self, house):
        """undo(do(x)) = x, for several x: one who was disabled before is disabled after the undo."""
        if house.case.vary is None:
            return
        for seed in range(4):
            house.case.vary(house.twin, Random(seed))
            before, house.kept = house.exact(), None
            done = await house.do(key=f"key-{seed}")
            undone = await house.do(key=f"undo-{seed}", verb=Verb.UNDO, token=done.undo_token)
            assert house.exact() == before
            expected = State.REJECTED if done.state is State.ALREADY_IN_STATE else State.SUCCEEDED
            assert undone.state is expected, (done, undone)

    async def test_the_same_twice_is_once(self, house):
        """Handed out again with the same key, whoever did it: it is not done again."""
        await house.do()
        again = await house.do(look_first=True)
        unseen = not house.case.description.verified and not house.case.description.repeatable
        assert again.state in ((State.UNKNOWN,) if unseen else (State.SUCCEEDED, State.ALREADY_IN_STATE)), again
        assert house.changes == 1 or house.case.description.repeatable

    async def test_an_undo_of_what_was_never_done_is_refused(self, house):
        before = house.exact()
        refused = await house.do(verb=Verb.UNDO, key="undo-1")
        assert refused.state is State.REJECTED and refused.explanation, refused
        assert house.changes == 0 and house.exact() == before

    async def test_an_undo_does_not_destroy_what_somebody_else_did_since(self, house):
        if house.case.foreign is None:
            return
        done = await house.do()
        house.case.foreign(house.twin)
        before, asked = house.exact(), len(house.twin.asked)
        refused = await house.undo(done)
        assert refused.state is State.REJECTED, refused
        assert refused.explanation
        assert all(asked.method == "GET" or asked.status < 300 for asked in house.twin.asked[asked:])
        assert before is None or house.exact() == before

    async def test_an_undo_whose_answer_is_lost_is_looked_up(self, house):
        if not house.case.description.reversible:
            return
        done = await house.do()
        for method in ("POST", "PUT", "PATCH", "DELETE", "RUN"):
            house.twin.order(Fault.BROKEN_AFTER, method, "^(?!.*(token| look|devices/v2|search|authenticate|List|Get|Describe|query)).*$")
        first = await house.undo(done)
        house.twin.orders.clear()
        assert first.state in (State.UNKNOWN, State.SUCCEEDED), first
        again = await house.undo(done, look_first=True)
        assert again.state in (State.ALREADY_IN_STATE, State.SUCCEEDED), again
        assert not house.is_effective

    async def test_a_system_that_hangs_does_not_hold_a_step(self, house):
        if not house.case.by_http:
            return
        house.befall(Fault.HANGS)
        outcome = await house.do(seconds=0.5)
        assert outcome.state is State.UNKNOWN, outcome

    async def test_an_exercise_touches_the_twin_without_any_secret(self, house, tmp_path):
        for secret in tmp_path.iterdir():
            secret.unlink()
        outcome = await house.do(simulated=True)
        assert outcome.state is State.SUCCEEDED, outcome
        assert house.is_effective

    async def test_no_secret_is_seen_anywhere(self, house, caplog):
        done = await house.do()
        house.befall(Fault.BROKEN_BEFORE)
        await house.do(key="key-3")
        if house.case.description.reversible:
            await house.undo(done)
        told = repr(house.outcomes) + repr(house.priors) + repr(house.kept) + caplog.text
        assert SECRET not in told
        assert any(outcome.findings for outcome in house.outcomes)
