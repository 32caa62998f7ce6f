"""What the others are told: laws over everything that can happen to one alert."""

from datetime import timedelta

from detection_words import NOON, CountedIds, signal
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tocsin_detection.alert import Alert, Decision, Verdict, acknowledge, changed, observe, resolve_by_hand, snooze
from tocsin_detection.hold import Hold, HoldKind
from tocsin_detection.telling import Telling, reconsidered, snoozed, tell

MINUTE = timedelta(minutes=1)


def hold(kind: HoldKind = HoldKind.SILENCE, until: int | None = None) -> Hold:
    end = NOON + until * MINUTE if until is not None else None
    return Hold(kind, f"rule-{kind}", "alice", f"{kind} holds it", NOON, end)


def opened() -> Decision:
    return observe(None, signal(ends_at=NOON + 60 * MINUTE), NOON, CountedIds())


def test_what_nothing_holds_is_told_at_once_and_what_is_held_when_the_last_hold_ends() -> None:
    assert tell(None, [opened()], (), NOON).telling is Telling.OPENED
    held = tell(None, [opened()], (hold(until=5), hold(HoldKind.INHIBITION)), NOON)
    assert (held.telling, held.alert.told) == (Telling.SUPPRESSED, False)
    assert held.alert.reconsider_at == NOON + timedelta(seconds=5), "a hold without an end is looked at again soon"
    still = reconsidered(held.alert, (hold(until=5),), NOON + MINUTE)
    assert (still.telling, still.alert.reconsider_at) == (Telling.SUPPRESSED, NOON + 5 * MINUTE)
    free = reconsidered(still.alert, (), NOON + 5 * MINUTE)
    assert (free.telling, free.alert.told, free.alert.holds) == (Telling.OPENED, True, ())
    assert "SILENCE holds it" in free.reason


def test_an_alert_within_a_flood_is_told_to_nobody_and_waits_for_the_end_of_the_flood() -> None:
    held = tell(None, [opened()], (hold(HoldKind.STORM),), NOON)
    assert (held.telling, held.alert.reconsider_at) == (None, None)
    ended = tell(held.alert, [resolve_by_hand(held.alert, "bob", NOON)], (), NOON)
    assert ended.telling is None and "it woke nobody: STORM holds it" in ended.reason


def test_whoever_was_told_of_an_alert_is_told_that_it_ended_although_it_is_silenced_by_then() -> None:
    told = tell(None, [opened()], (), NOON).alert
    ended = tell(told, [resolve_by_hand(told, "bob", NOON)], (hold(),), NOON)
    assert ended.telling is Telling.RESOLVED


def test_a_snooze_holds_what_is_not_told_and_tells_again_what_is() -> None:
    held = tell(None, [opened()], (hold(until=1),), NOON).alert
    aside = snooze(held, NOON + 10 * MINUTE, "bob", NOON).alert
    assert aside is not None
    assert [item.kind for item in snoozed(aside, NOON + MINUTE)] == [HoldKind.SNOOZE]
    assert snoozed(aside, NOON + 10 * MINUTE) == ()
    told = tell(None, [opened()], (), NOON).alert
    later = snooze(told, NOON + 10 * MINUTE, "bob", NOON).alert
    assert later is not None and later.reconsider_at == NOON + 10 * MINUTE
    assert tell(told, [snooze(told, NOON + 10 * MINUTE, "bob", NOON)], (), NOON).put_aside_by == "bob"
    assert tell(later, [changed(later, replace(later, title="worse"), "its title", "eve")], (), NOON).put_aside_by == ""
    assert reconsidered(later, (), NOON + 10 * MINUTE).telling is Telling.OPENED


steps = st.lists(
    st.tuples(
        st.sampled_from(["repeat", "change", "acknowledge", "look again", "resolve"]),
        st.lists(st.sampled_from([HoldKind.SILENCE, HoldKind.INHIBITION, HoldKind.STORM, HoldKind.THRESHOLD]), max_size=2, unique=True),
    ),
    min_size=1,
    max_size=12,
)


@given(steps)
def test_an_end_is_told_exactly_to_those_who_heard_of_the_alert_and_nothing_is_told_while_it_is_held(
    story: list[tuple[str, list[HoldKind]]],
) -> None:
    first, *later = story
    told = tell(None, [opened()], tuple(hold(kind) for kind in first[1]), NOON)
    heard = [told.telling]
    alert = told.alert
    for minute, (step, kinds) in enumerate(later, 1):
        if not alert.open:
            break
        holds, now = tuple(hold(kind) for kind in kinds), NOON + minute * MINUTE
        was_told = alert.told
        told = (
            reconsidered(alert, holds, now)
            if step == "look again" and not was_told
            else tell(alert, [_decided(step, alert, minute)], holds, now)
        )
        if not was_told and told.alert.open and any(kind is not HoldKind.STORM for kind in kinds):
            assert told.telling in (None, Telling.SUPPRESSED) and not told.alert.told
        assert told.alert.told >= was_told, "what was told stays told"
        heard.append(told.telling)
        alert = told.alert
    if not alert.open:
        said = [item for item in heard if item is not None]
        assert said.count(Telling.RESOLVED) == int(bool({Telling.OPENED, Telling.SUPPRESSED} & set(said)))
        assert heard.count(Telling.OPENED) <= 1


def _decided(step: str, alert: Alert, minute: int) -> Decision:
    now = NOON + minute * MINUTE
    match step:
        case "resolve":
            return resolve_by_hand(alert, "bob", now)
        case "acknowledge" if alert.acknowledged_at is None:
            return acknowledge(alert, "bob", now)
        case "change":
            return observe(alert, signal(title=f"worse {minute}", ends_at=alert.ends_at), now, CountedIds())
        case _:
            return Decision(Verdict.REPEATED, "again", replace(alert, occurrences=alert.occurrences + 1))
