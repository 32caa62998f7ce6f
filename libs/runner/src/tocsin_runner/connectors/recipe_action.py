"""Actions of connectors that are written as a file."""

import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from tocsin_kernel.clock import Clock
from tocsin_runner.assignment import Document, Failed, Finding, Json, Partly, Refused
from tocsin_runner.connectors.interface import Action, Description, Job, Sight, Standing
from tocsin_runner.connectors.recipe import ActionRecipe, Recipe, Rule, Step
from tocsin_runner.connectors.session import Session, said


class RecipeAction:
    """One action of a file, bound to a connection."""

    def __init__(self, recipe: ActionRecipe, session: Session, settings: Document, clock: Clock) -> None:
        self._recipe = recipe
        self._session = session
        self._settings = settings
        self._clock = clock

    @property
    def description(self) -> Description:
        """What it is."""
        return self._recipe.description

    async def look(self, job: Job) -> Sight:
        """How it stands."""
        given = await self._seen(job, self._recipe.look, self._given(job, {}))
        given["state"] = {name: part(given) for name, part in self._recipe.state.items()}
        return self._sight(given)

    async def bring(self, job: Job) -> list[Finding]:
        """The evidence that it was done for."""
        brings = self._recipe.brings
        if brings is None:
            return []
        given = await self._seen(job, brings.look, self._given(job, job.after))
        content = json.dumps(brings.content(given), indent=1, ensure_ascii=False).encode()
        return [Finding(brings.name.text(given), "application/json", content, self._session.title, "tocsin-runner", evidence=True)]

    async def _seen(self, job: Job, steps: Sequence[Step], given: dict[str, Json]) -> dict[str, Json]:
        """What is given, with `look`: what these requests show."""
        seen: dict[str, Json] = {}
        for step in steps:
            given["look"] = seen
            if step.when is not None and not step.when.holds(given):
                seen.update(dict.fromkeys(step.save))
                continue
            answer = await self._session.look(job, step, given)
            heard = {**given, **said(answer)}
            missing = answer.status == 404
            seen.update({name: None if missing else part.value(heard) for name, part in step.save.items()})
        return {**given, "look": seen}

    def refusal(self, job: Job, sight: Sight) -> str:
        """Why it must not be done."""
        return _first(self._recipe.refuse, self._given(job, sight.state))

    async def execute(self, job: Job, sight: Sight) -> bool:
        """Do it."""
        await self._change(job, sight, self._recipe.execute)
        return self._recipe.complete is None or self._recipe.complete.holds(self._given(job, sight.state))

    async def undo(self, job: Job, sight: Sight) -> bool:
        """Put back what was."""
        assert self._recipe.undo is not None
        await self._change(job, sight, self._recipe.undo.steps)
        return True

    def foreign(self, job: Job, sight: Sight) -> str:
        """Why an undo would destroy what others did."""
        assert self._recipe.undo is not None
        return _first(self._recipe.undo.ours, self._given(job, sight.state))

    def undone(self, job: Job, sight: Sight) -> Standing:
        """How far an undo is."""
        undo = self._recipe.undo
        assert undo is not None
        given = self._given(job, sight.state)
        if undo.undone.holds(given):
            return Standing.EFFECTIVE
        return Standing.PENDING if undo.pending is not None and undo.pending.holds(given) else Standing.ABSENT

    async def _change(self, job: Job, sight: Sight, steps: Sequence[Step]) -> None:
        done = 0
        fresh = self._session.kept_secret("password", secrets.token_urlsafe(24) + "aA1!") if self._recipe.fresh else None
        for step in steps:
            given = {**self._given(job, sight.state), "fresh": fresh}
            if step.when is not None and not step.when.holds(given):
                continue
            for item in step.each.value(given) if step.each is not None else [None]:
                try:
                    answer = await self._session.change(job, step, {**given, "item": item})
                except (Refused, Failed) as error:
                    if not done:
                        raise
                    raise Partly(f"{done} requests were done, then: {error}", error.again_at) from error
                done += 1
                if 200 <= answer.status < 300:
                    heard = {**given, **said(answer)}
                    job.token.update({name: part.value(heard) for name, part in step.save.items()})

    def _sight(self, given: Document) -> Sight:
        recipe = self._recipe
        mine = recipe.mine.holds(given) if recipe.mine is not None else None
        if recipe.effective.holds(given):
            return Sight(given["state"], Standing.EFFECTIVE, mine)
        if recipe.pending is not None and recipe.pending.holds(given):
            return Sight(given["state"], Standing.PENDING, mine)
        if why := _first(recipe.failed, given):
            return Sight(given["state"], Standing.FAILED, mine, why)
        return Sight(given["state"], Standing.ABSENT, mine)

    def _given(self, job: Job, state: Document) -> dict[str, Json]:
        hold = job.task.assignment.hold_seconds
        return {
            "arguments": dict(job.arguments),
            "settings": dict(self._settings),
            "state": dict(state),
            "prior": dict(job.prior),
            "after": dict(job.after),
            "token": dict(job.token),
            "key": job.key,
            "marker": job.marker,
            "retried": job.task.assignment.look_first,
            "incident": job.task.assignment.incident_id,
            "now": _written(self._clock.now()),
            "until": None if hold is None else _written(self._clock.now() + timedelta(seconds=hold)),
        }


class RecipeConnector:
    """All actions of a file, bound to a connection."""

    def __init__(self, recipe: Recipe, session: Session, settings: Document, clock: Clock) -> None:
        self._recipe = recipe
        self._session = session
        self._settings = settings
        self.actions: Mapping[str, Action] = {
            name: RecipeAction(action, session, settings, clock) for name, action in recipe.actions.items()
        }

    async def check(self) -> str:
        """Ask something that changes nothing. Raises Ended."""
        answer = await self._session.look(None, self._recipe.check, {"settings": dict(self._settings)})
        return "the script ran" if self._recipe.check.script else f"HTTP {answer.status}"


def _written(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def _first(rules: Iterable[Rule], given: Document) -> str:
    return next((rule.because.text(given) for rule in rules if rule.when.holds(given)), "")
