"""What a browser has missed."""

from hypothesis import given
from hypothesis import strategies as st

from tocsin_edge.ring import Ring


@given(kept=st.integers(1, 20), told=st.integers(0, 60), seen=st.integers(-5, 70))
def test_whoever_can_follow_misses_nothing(kept: int, told: int, seen: int) -> None:
    ring = Ring("epoch", kept)
    for _ in range(told):
        ring.add("IncidentOpened", "triage", "1")
    if ring.complete_from(seen, "epoch"):
        assert [happening.seq for happening in ring.after(seen)] == list(range(seen + 1, told + 1))
    else:
        assert seen > told or seen < max(0, told - kept)


def test_another_epoch_cannot_be_followed() -> None:
    assert not Ring("this").complete_from(0, "that")


def test_nobody_follows_across_a_loss() -> None:
    ring = Ring("epoch")
    ring.add("IncidentOpened", "triage", "1")
    ring.skip()
    assert not ring.complete_from(1, "epoch")
    assert ring.complete_from(ring.last, "epoch")
