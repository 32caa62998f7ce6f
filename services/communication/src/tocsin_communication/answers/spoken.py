"""What somebody means who answers in their own words: "ack 7", "7a", "ok", "esc", "all". Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

LONGEST_READ = 400
MOST_WORDS = 12


class Verb(StrEnum):
    """What the responder wants."""

    ACKNOWLEDGE = "ACKNOWLEDGE"
    ESCALATE = "ESCALATE"
    RESOLVE = "RESOLVE"


_VERBS: dict[Verb, frozenset[str]] = {
    Verb.ACKNOWLEDGE: frozenset(
        {"a", "aa", "ack", "acked", "ackd", "acknowledge", "acknowledged", "accept", "take", "taking", "taken", "mine", "yes", "y", "ok"}
        | {"okay", "on", "got", "k", "ja", "oui", "si"}
    ),
    Verb.ESCALATE: frozenset({"e", "ee", "esc", "escalate", "next", "pass", "no", "not", "n", "cannot", "cant", "dont", "busy", "nein"}),
    Verb.RESOLVE: frozenset({"c", "cc", "r", "close", "closed", "resolve", "resolved", "done", "fixed"}),
}
# Words that are said of approvals only.
_GRANTS = {
    Verb.ACKNOWLEDGE: frozenset({"approve", "approved", "grant", "granted"}),
    Verb.ESCALATE: frozenset({"deny", "denied", "reject", "rejected", "refuse", "refused"}),
}
_ALL = frozenset({"all", "everything", "alle"})
_FILLERS = frozenset(
    {"it", "i", "im", "am", "ill", "will", "the", "this", "that", "is", "me", "and", "now", "please", "thanks", "thank", "you"}
    | {"incident", "incidents", "alert", "alerts", "page", "of", "them"}
)
_WORD = re.compile(r"#?(\d{1,9})|([^\W\d_]+)")


@dataclass(frozen=True, slots=True)
class Spoken:
    """What was understood: the verb, the codes that were named, and whether all open pages are meant.

    `grants`: it was said in words that are for approvals only.
    """

    verb: Verb
    codes: tuple[str, ...] = ()
    everything: bool = False
    grants: bool = False


def understand(text: str) -> Spoken | None:
    """The meaning of the first line that has one; None if nobody can tell. Case, order, signs and spaces do not matter. A number alone
    acknowledges it. What contradicts itself, or holds a word that is not known, means nothing: a sentence is no answer."""
    for line in text[:LONGEST_READ].splitlines():
        if found := _line(line):
            return found
    return None


def _line(line: str) -> Spoken | None:
    line = line.casefold().replace("'", "").replace("’", "")
    numbers = [number.lstrip("0") or "0" for number, _ in _WORD.findall(line) if number]
    words = [word for _, word in _WORD.findall(line) if word]
    if len(words) + len(numbers) > MOST_WORDS:
        return None
    granted = {verb for verb, known in _GRANTS.items() if known & set(words)}
    verbs = {verb for verb, known in _VERBS.items() if known & set(words)} | granted
    strange = set(words) - _ALL - _FILLERS - frozenset().union(*_VERBS.values(), *_GRANTS.values())
    everything = bool(_ALL & set(words)) and not numbers
    if strange or len(verbs) > 1 or not (verbs or numbers or everything):
        return None
    return Spoken(verbs.pop() if verbs else Verb.ACKNOWLEDGE, tuple(dict.fromkeys(numbers)), everything, bool(granted))


@dataclass(frozen=True, slots=True)
class Open:
    """A page that an answer may be about, by the code that it shows."""

    page_id: str
    code: str
    title: str


@dataclass(frozen=True, slots=True)
class Chosen:
    """The pages that are meant, or what to say because nobody can tell which."""

    pages: tuple[Open, ...] = ()
    say: str = ""


def choose(spoken: Spoken, opened: Sequence[Open]) -> Chosen:
    """Which of the open pages are meant. Guesses only where there is one: a wrong acknowledge is worse than a question."""
    if not opened:
        return Chosen(say="Nothing is open for you.")
    if spoken.everything:
        return Chosen(tuple(opened))
    if spoken.codes:
        meant = tuple(page for page in opened if page.code in spoken.codes)
        missing = [code for code in spoken.codes if code not in {page.code for page in opened}]
        return Chosen(meant) if meant else Chosen(say=f"{_numbered(missing)} is not open for you. {_offer(opened)}")
    return Chosen((opened[0],)) if len({page.code for page in opened}) == 1 else Chosen(say=_offer(opened))


def _offer(opened: Sequence[Open]) -> str:
    codes = list(dict.fromkeys(page.code for page in opened))
    shown = ", ".join(f"{code}a" for code in codes[:5]) + (", …" if len(codes) > 5 else "")
    return f"{len(codes)} open: reply {shown}" + (", or all." if len(codes) > 1 else ".")


def _numbered(codes: Sequence[str]) -> str:
    return ", ".join(f"#{code}" for code in codes)
