"""The broker waits for who works, and not for who is gone or stuck."""

from dataclasses import dataclass

from tocsin_chassis.events.holding import ACK_WAIT_SECONDS, MOST_SECONDS, SIGN_SECONDS, Holding


@dataclass
class Delivered:
    is_acked: bool = False
    signs: int = 0

    async def in_progress(self) -> None:
        self.signs += 1


async def test_what_is_still_being_handled_gives_signs_until_it_is_acknowledged_or_stuck(monkeypatch) -> None:
    monkeypatch.setattr(Holding, "_time", staticmethod(lambda: 0.0))
    holding, quick, slow, stuck = Holding(), Delivered(), Delivered(), Delivered()
    for message in (quick, slow, stuck):
        holding.take(message)
    await holding.give_sign(SIGN_SECONDS / 2)
    assert quick.signs == slow.signs == 0, "most facts cost no sign at all"
    quick.is_acked = True
    await holding.give_sign(SIGN_SECONDS)
    slow.is_acked = True
    await holding.give_sign(2 * SIGN_SECONDS)
    await holding.give_sign(MOST_SECONDS)
    assert (quick.signs, slow.signs, stuck.signs) == (0, 1, 2)
    assert 3 * SIGN_SECONDS < ACK_WAIT_SECONDS < MOST_SECONDS, "two signs may come late"
