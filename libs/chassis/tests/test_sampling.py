"""Traces are recorded up to a rate, and each whole or not at all."""

from opentelemetry.sdk.trace.sampling import Decision

from tocsin_chassis.sampling import AtMost


def test_a_burst_is_recorded_then_a_rate():
    seconds = [0.0]
    sampler = AtMost(per_second=10, burst=5, now=lambda: seconds[0])

    def recorded(times):
        return sum(sampler.should_sample(None, 1, "report").decision is Decision.RECORD_AND_SAMPLE for _ in range(times))

    assert recorded(20) == 5
    seconds[0] = 0.35
    assert recorded(20) == 3
    seconds[0] = 60.0
    assert recorded(20) == 5
