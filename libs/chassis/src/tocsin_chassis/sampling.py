"""Which traces are recorded: all of them, until they are so many that recording would cost more than the work itself."""

import time
from collections.abc import Callable, Sequence

from opentelemetry.context import Context
from opentelemetry.sdk.trace.sampling import Decision, ParentBased, Sampler, SamplingResult
from opentelemetry.trace import Link, SpanKind, TraceState
from opentelemetry.util.types import Attributes

TRACES_PER_SECOND = 10.0
BURST = 100.0


class AtMost(Sampler):
    """Records new traces up to a rate, with a burst; the others go on without being recorded."""

    def __init__(self, per_second: float = TRACES_PER_SECOND, burst: float = BURST, now: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._burst = burst
        self._now = now
        self._left = burst
        self._counted_at = now()

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        now = self._now()
        self._left = min(self._burst, self._left + (now - self._counted_at) * self._per_second)
        self._counted_at = now
        if self._left < 1:
            return SamplingResult(Decision.DROP)
        self._left -= 1
        return SamplingResult(Decision.RECORD_AND_SAMPLE, attributes, trace_state)

    def get_description(self) -> str:
        return f"AtMost({self._per_second}/s)"


def sampler() -> Sampler:
    """A trace is recorded whole or not at all: whoever begins it decides."""
    return ParentBased(AtMost())
