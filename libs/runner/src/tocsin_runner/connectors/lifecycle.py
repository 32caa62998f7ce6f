"""One action from first look to last: look, keep what was, do, look again; and never twice what may have been done."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from tocsin_kernel.clock import Clock
from tocsin_runner.assignment import Failed, Outcome, Partly, Refused, State, Unknown, Verb
from tocsin_runner.connectors.interface import Action, Job, Sight, Standing
from tocsin_runner.results import taken

Judge = Callable[[Sight], Standing]
# Left at the end of a step's time for telling what came of it.
MARGIN_SECONDS = 1.0


class Lifecycle:
    """The same for every connector."""

    def __init__(self, clock: Clock, sleep: Callable[[float], Awaitable[object]]) -> None:
        self._clock = clock
        self._sleep = sleep

    async def carry_out(self, action: Action, job: Job) -> Outcome:
        """Do what the assignment's verb says. Raises Ended, LeaseLost."""
        token = job.task.assignment.undo_token or {}
        job.prior = token.get("prior") or job.task.assignment.prior_state or {}
        job.after = token.get("after") or {}
        job.token.update({name: value for name, value in token.items() if name not in ("prior", "after")})
        match job.task.assignment.verb:
            case Verb.EXECUTE:
                return await self._execute(action, job)
            case Verb.UNDO:
                return await self._undo(action, job)
            case Verb.VERIFY:
                return await self._verify(action, job)

    async def _execute(self, action: Action, job: Job) -> Outcome:
        sight = await action.look(job)
        if job.task.assignment.look_first and sight.standing is Standing.ABSENT and action.description.lag:
            await self._sleep(action.description.lag)
            sight = await action.look(job)
        if self._is_ours(job, sight):
            if sight.standing is Standing.EFFECTIVE:
                return self._done(action, job, sight, "it was done by an earlier try whose answer was lost")
            return await self._settle(action, job, lambda seen: seen.standing)
        if sight.standing is Standing.FAILED and sight.mine is not False and job.task.assignment.look_first:
            raise Failed(sight.why or "the other side says that it failed")
        if sight.standing is Standing.EFFECTIVE:
            return Outcome(State.ALREADY_IN_STATE, sight.why or "it was so already", verified=True)
        if sight.standing is Standing.PENDING:
            raise Failed(sight.why or "somebody else's action is pending there", self._later(action.description.again))
        self._require_lookable(action, job)
        if why := action.refusal(job, sight):
            raise Refused(why)
        job.prior = await job.task.keep_prior(sight.state)
        return await self._change(action, job, sight)

    async def _change(self, action: Action, job: Job, sight: Sight) -> Outcome:
        try:
            complete = await action.execute(job, sight)
        except Partly as partly:
            return replace(self._failed(action, job, str(partly)), look_again_at=partly.again_at)
        except Unknown as unknown:
            # Nobody knows; a look may tell at once, and if it does not, response has it looked at again.
            if not action.description.verified:
                raise
            sight = await self._glance(action, job, unknown)
            job.task.answered()
            if sight.standing not in (Standing.EFFECTIVE, Standing.PENDING) or sight.mine is False:
                raise
            return await self._settle(action, job, lambda seen: seen.standing)
        if not action.description.verified:
            if not complete:
                return self._accepted(action, job, "taken on; not seen to be effective yet")
            return Outcome(State.SUCCEEDED, "done, says the other side; it offers nothing to look at", **self._brought(action, job))
        return await self._settle(action, job, lambda seen: seen.standing)

    async def _undo(self, action: Action, job: Job) -> Outcome:
        if not action.description.reversible:
            raise Refused(f"{action.description.action} cannot be undone")
        if not job.prior:
            raise Refused("what it was like before is not known, so it cannot be put back")
        sight = await action.look(job)
        standing = action.undone(job, sight)
        if standing is Standing.EFFECTIVE and action.description.verified:
            return Outcome(State.ALREADY_IN_STATE, "it is as it was before", verified=True)
        if standing is not Standing.PENDING:
            if why := action.foreign(job, sight):
                raise Refused(why)
            complete = await action.undo(job, sight)
            if not action.description.verified:
                state = State.SUCCEEDED if complete else State.ACCEPTED
                return Outcome(state, "put back, says the other side; it offers nothing to look at")
        return await self._settle(action, job, lambda seen: action.undone(job, seen))

    async def _settle(self, action: Action, job: Job, judge: Judge) -> Outcome:
        """Look until it is effective: that it was taken on says nothing."""
        about = action.description
        ends = self._clock.now() + timedelta(seconds=max(0.0, min(about.patience, job.task.assignment.seconds - MARGIN_SECONDS)))
        while True:
            sight = await action.look(job)
            standing = judge(sight)
            if standing is Standing.EFFECTIVE:
                return self._done(action, job, sight, "done, and seen to be effective")
            if standing is Standing.FAILED:
                return self._failed(action, job, sight.why or "the other side says that it failed")
            if self._clock.now() >= ends:
                break
            await self._sleep(about.poll)
        if standing is Standing.PENDING:
            return self._accepted(action, job, sight.why or "taken on by the other side, not effective yet")
        return self._failed(action, job, "the other side took it, but a look does not show the effect")

    async def _verify(self, action: Action, job: Job) -> Outcome:
        """Look whether what was taken on, or done, stands; nothing is changed. What cannot be looked at now is looked at again."""
        if not action.description.verified and not action.description.repeatable:
            return self._accepted(action, job, "the other side offers nothing to look at")
        if not action.description.verified:
            # The other side takes the same key once, and says again what came of it.
            return await self._execute(action, job)
        try:
            sight = await action.look(job)
        except (Refused, Failed) as error:
            return self._accepted(action, job, f"it could not be looked at: {error}")
        return self._stands(action, job, sight)

    def _stands(self, action: Action, job: Job, sight: Sight) -> Outcome:
        match sight.standing:
            case Standing.EFFECTIVE:
                return self._done(action, job, sight, "it stands")
            case Standing.PENDING:
                return self._accepted(action, job, sight.why or "not effective yet")
            case _:
                return self._failed(action, job, sight.why or "it does not stand")

    def _is_ours(self, job: Job, sight: Sight) -> bool:
        """Whether an effect that is there is an earlier try's of this very assignment."""
        if sight.standing not in (Standing.EFFECTIVE, Standing.PENDING):
            return False
        if sight.mine is not None:
            return sight.mine
        # The prior state is only kept when it was not so yet.
        return job.task.assignment.look_first and job.task.assignment.prior_state is not None

    def _require_lookable(self, action: Action, job: Job) -> None:
        if job.task.assignment.look_first and not action.description.verified and not action.description.repeatable:
            raise Unknown("whether it was done cannot be looked up")

    async def _glance(self, action: Action, job: Job, unknown: Unknown) -> Sight:
        try:
            return await action.look(job)
        except (Refused, Failed):
            raise unknown from None

    def _done(self, action: Action, job: Job, sight: Sight, said: str) -> Outcome:
        job.after = sight.state
        return Outcome(State.SUCCEEDED, said, verified=True, **self._brought(action, job))

    def _failed(self, action: Action, job: Job, said: str) -> Outcome:
        return Outcome(State.FAILED, said, **self._brought(action, job))

    def _accepted(self, action: Action, job: Job, said: str) -> Outcome:
        return Outcome(State.ACCEPTED, said, look_again_at=self._later(action.description.again), **self._brought(action, job))

    def _brought(self, action: Action, job: Job) -> dict[str, Any]:
        found: dict[str, Any] = {"variables": taken(job.task.assignment.out_args, job.token, job.after)}
        if job.task.assignment.verb is not Verb.UNDO and action.description.reversible:
            found["undo_token"] = {"prior": dict(job.prior), "after": dict(job.after), **job.token, "marker": job.marker}
        return found

    def _later(self, seconds: float) -> datetime:
        return self._clock.now() + timedelta(seconds=seconds)
