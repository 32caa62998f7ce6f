"""What the answer of a provider means where its own code says no more than the HTTP status."""

from datetime import timedelta

from tocsin_communication.pages.receipt import Outcome, Receipt

LONGEST_DETAIL = 300


def clipped(text: str) -> str:
    """A provider's words as one line of limited length."""
    return " ".join(text.split())[:LONGEST_DETAIL]


def of_status(status: int, said: str, retry_after: timedelta | None = None) -> Receipt:
    """The receipt of a refusal.

    500, 502 and 504 come from something on the way that cannot tell whether the message was taken; 503 and 408 say that it was not.
    """
    return Receipt(_outcome(status), clipped(f"HTTP {status}: {said}" if said else f"HTTP {status}"), retry_after=retry_after)


def _outcome(status: int) -> Outcome:
    match status:
        case 429:
            return Outcome.THROTTLED
        case 408 | 425 | 503:
            return Outcome.TRANSIENT
        case 404 | 410:
            return Outcome.PERMANENT_TARGET
        case _ if status >= 500:
            return Outcome.UNKNOWN
        case _:
            return Outcome.PERMANENT_CONFIG
