"""What a run refuses, with the reason."""

from tocsin_kernel.errors import Conflict, NotFound


class NoSuchStep(NotFound):
    """The run never reached such a step."""

    reason = "STEP_NOT_FOUND"
    message = "run {run} has no step {path}"


class RunEnded(Conflict):
    """The run has ended."""

    reason = "RUN_ENDED"
    message = "run {run} has {state}; run it again from a step, or start another one"


class RunNotEnded(Conflict):
    """The run has not ended."""

    reason = "RUN_NOT_ENDED"
    message = "run {run} is {state}; cancel it first"


class StepEnded(Conflict):
    """The step has ended."""

    reason = "STEP_ENDED"
    message = "step {path} is {state} already"


class NotAsked(Conflict):
    """The step waits for no such answer."""

    reason = "STEP_NOT_ASKING"
    message = "step {path} does not wait for {said}; it is {state}, waiting for {waits}"
