"""The accounts of every channel, which of them can be used now, and what stands against the others."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from tocsin_communication.channels.channel import Accounts, ChannelDriver, Off, OneWay
from tocsin_communication.channels.registry import kind_of
from tocsin_communication.contacts.contact import Channel
from tocsin_communication.pages.page import Page, Ways
from tocsin_communication.pages.receipt import Outcome, Receipt
from tocsin_kernel.clock import Clock

# An account that did not take so many messages in a row is left alone for a while, where there is another one.
FAILURES = 3
LEFT_ALONE = timedelta(seconds=30)
REFUSED_FOR = timedelta(minutes=5)
# An account that has taken something within this time is not dead, however much it refuses.
LATELY = timedelta(seconds=5)
# Follow-ups over these are messages of their own, though their driver may be able to tell of changes.
TOLD_BY_MESSAGE = frozenset({Channel.EMAIL, Channel.SMS, Channel.APPRISE, Channel.NONE})


@dataclass(slots=True)
class _Condition:
    """How an account fares: failures in a row, until when it is left alone, and what it said when it refused us."""

    failures: int = 0
    until: datetime | None = None
    refused: str = ""


class Channels:
    """Finds the driver for a page. What an attempt came to is noted, so that a dead provider is not asked by every page anew."""

    def __init__(self, accounts: Mapping[Channel, Accounts], clock: Clock) -> None:
        self.accounts = accounts
        self._clock = clock
        self._conditions: dict[tuple[Channel, str], _Condition] = {}
        self._taken_at: dict[tuple[Channel, str], datetime] = {}
        self.edited = frozenset(channel for channel, opened in accounts.items() if _edits(opened))

    def driver(self, channel: Channel, account: str) -> ChannelDriver:
        """The driver of an account; of the first one if there is none of this name any more."""
        opened = self.accounts.get(channel, ())
        if not opened:
            return Off(f"this version has no {channel.value.lower()} channel")
        return next((each.driver for each in opened if each.name == account), opened[0].driver)

    def ways(self, channel: Channel, account: str = "") -> Ways:
        """The accounts that can be used now, in their order; all of them if none can. With the receipt time of `account`."""
        opened = self.accounts.get(channel, ())
        if len(opened) <= 1:
            return Ways((opened[0].name,) if opened else ("",))
        now = self._clock.now()
        usable = tuple(each.name for each in opened if not self._left_alone(channel, each.name, now))
        within = next((each.receipt_within for each in opened if each.name == account), None)
        return Ways(usable or tuple(each.name for each in opened), within)

    def account_for(self, page: Page) -> str:
        """The account over which the next attempt of a page goes: the one that it was turned to, or the best one."""
        return self.account(page.channel, page.account)

    def account(self, channel: Channel, wanted: str = "") -> str:
        """The wanted account if it can be used now, or the best one.

        Whether one that was left alone takes again, who is told of it first finds out; until that is known the others go over another one.
        """
        ways = self.ways(channel)
        account = wanted if wanted in ways.accounts else ways.accounts[0]
        condition, now = self._conditions.get((channel, account)), self._clock.now()
        if condition is not None and condition.until is not None and condition.until <= now and len(ways.accounts) > 1:
            condition.until = now + LEFT_ALONE
        return account

    def note(self, channel: Channel, account: str, receipt: Receipt) -> None:
        """What an attempt came to."""
        condition = self._conditions.setdefault((channel, account), _Condition())
        now = self._clock.now()
        match receipt.outcome:
            case Outcome.PERMANENT_CONFIG:
                condition.refused, condition.until = receipt.detail, now + REFUSED_FOR
                self._taken_at.pop((channel, account), None)
            case Outcome.THROTTLED:
                condition.until = now + min(receipt.retry_after or LEFT_ALONE, REFUSED_FOR)
            case Outcome.TRANSIENT | Outcome.UNKNOWN:
                condition.failures += 1
                if condition.failures >= FAILURES and not self._took_lately(channel, account, now):
                    condition.until = now + LEFT_ALONE
            case _:
                self._conditions.pop((channel, account), None)
                if receipt.outcome.taken:
                    self._taken_at[channel, account] = now

    def off(self, channel: Channel) -> str:
        """Which setting is missing; empty if the channel is set up."""
        opened = self.accounts.get(channel, ())
        if not opened:
            return f"this version has no {channel.value.lower()} channel"
        return opened[0].driver.why if isinstance(opened[0].driver, Off) else ""

    def problem(self, channel: Channel) -> str:
        """Why the channel cannot be used as it should be, for people; empty if it can."""
        now = self._clock.now()
        refusals = [
            f"{each.name}: {condition.refused}"
            for each in self.accounts.get(channel, ())
            if (condition := self._conditions.get((channel, each.name))) is not None and condition.refused and self._still(condition, now)
        ]
        return self.off(channel) or "; ".join(refusals)

    def _took_lately(self, channel: Channel, account: str, now: datetime) -> bool:
        taken_at = self._taken_at.get((channel, account))
        return taken_at is not None and now - taken_at < LATELY

    def _left_alone(self, channel: Channel, account: str, now: datetime) -> bool:
        condition = self._conditions.get((channel, account))
        return condition is not None and self._still(condition, now)

    @staticmethod
    def _still(condition: _Condition, now: datetime) -> bool:
        return condition.until is not None and now < condition.until


def provider(channel: Channel, address: str, account: str = "") -> str:
    """Who carries pages to this address: the host that the kind names, or the account. One that is slow holds up only its own pages."""
    kind = kind_of(channel)
    who = kind.host(address) if kind is not None else ""
    return " ".join(filter(None, [channel.value.lower(), who or account]))


def _edits(opened: Accounts) -> bool:
    return any(getattr(type(each.driver), "edit", None) is not OneWay.__dict__["edit"] for each in opened)
