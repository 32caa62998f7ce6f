"""How much an integration may send: a token bucket of signals, and another of the same size for urgent ones."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from tocsin_detection.integration import Integration, RateLimit
from tocsin_detection.signal import Signal
from tocsin_kernel.errors import Overloaded

# The words of senders for what must not wait behind a flood of lesser things.
URGENT = frozenset({"critical", "crit", "fatal", "emergency", "disaster", "page", "p1", "sev1", "sev-1", "sev0", "s1"})


class IntegrationTooFast(Overloaded):
    """`retry_after` is in seconds, `limit` how many signals are let in at once, `remaining` how many would be now."""

    reason = "INTEGRATION_TOO_FAST"
    message = "integration {integration} sends too fast: wait {retry_after} s, send fewer, or raise its rate_limit"


@dataclass(frozen=True, slots=True)
class Bucket:
    """How many signals may come at once, as of an instant. Below zero where a report larger than the whole bucket was let in."""

    tokens: float
    at: datetime


@dataclass(frozen=True, slots=True)
class Taking:
    """The bucket afterwards, and how many seconds the signals have to wait; 0: they were let in."""

    bucket: Bucket
    wait: float


@dataclass(frozen=True, slots=True)
class Admission:
    """The signals that are let in, and why the others are not; None: there are no others."""

    signals: Sequence[Signal]
    refusal: IntegrationTooFast | None


def take(bucket: Bucket, limit: RateLimit, wanted: int, now: datetime) -> Taking:
    """Take tokens for so many signals, all or none. More than fit into the bucket need a full one: they could never come otherwise."""
    filled = _filled(bucket, limit, now)
    missing = min(wanted, limit.burst) - filled.tokens
    if missing > 0:
        return Taking(filled, missing / limit.per_second)
    return Taking(replace(filled, tokens=filled.tokens - wanted), 0.0)


def _filled(bucket: Bucket, limit: RateLimit, now: datetime) -> Bucket:
    since = max(0.0, (now - bucket.at).total_seconds())
    return Bucket(min(float(limit.burst), bucket.tokens + since * limit.per_second), now)


def is_urgent(severity: str) -> bool:
    """Whether this is a sender's word for what cannot wait."""
    return severity in URGENT


def urgent(signal: Signal) -> bool:
    """Whether its sender says that it cannot wait."""
    return is_urgent(signal.severity)


class Rates:
    """The buckets of all integrations, in this process. `default` is for integrations without a limit of their own."""

    def __init__(self, default: RateLimit) -> None:
        self._default = default
        self._buckets: dict[tuple[str, bool], Bucket] = {}

    def admit(self, integration: Integration, signals: Sequence[Signal], now: datetime) -> Admission:
        """Let in the signals of a report, the urgent ones apart from the rest."""
        pressing = [signal for signal in signals if urgent(signal)]
        if not pressing or len(pressing) == len(signals):
            refusal = self._take(integration, bool(pressing), len(signals), now)
            return Admission(() if refusal else signals, refusal)
        rest = [signal for signal in signals if not urgent(signal)]
        refusals = [self._take(integration, kind, len(some), now) for kind, some in ((True, pressing), (False, rest))]
        refused = next((refusal for refusal in refusals if refusal is not None), None)
        if refused is None:
            return Admission(signals, None)
        return Admission([signal for signal in signals if refusals[0 if urgent(signal) else 1] is None], refused)

    def headers(self, integration: Integration, now: datetime) -> Mapping[str, str]:
        """What every answer tells the sender: how many signals may come at once, how many may now, and in how many seconds all may."""
        limit = integration.options.rate_limit or self._default
        bucket = self._buckets.get((integration.name, False))
        left = limit.burst if bucket is None else max(0, int(_filled(bucket, limit, now).tokens))
        again = math.ceil((limit.burst - left) / limit.per_second)
        return {"X-RateLimit-Limit": str(limit.burst), "X-RateLimit-Remaining": str(left), "X-RateLimit-Reset": str(again)}

    def _take(self, integration: Integration, pressing: bool, count: int, now: datetime) -> IntegrationTooFast | None:
        if count == 0:
            return None
        limit = integration.options.rate_limit or self._default
        name = (integration.name, pressing)
        taking = take(self._buckets.get(name) or Bucket(limit.burst, now), limit, count, now)
        self._buckets[name] = taking.bucket
        if not taking.wait:
            return None
        return IntegrationTooFast(
            integration=integration.name,
            retry_after=f"{taking.wait:.1f}",
            limit=limit.burst,
            remaining=max(0, int(taking.bucket.tokens)),
        )
