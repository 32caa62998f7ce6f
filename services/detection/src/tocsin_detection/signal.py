"""A signal: one report that something is wrong, or that it no longer is, in Tocsin's own words."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import chain

from msgspec import Struct, field

LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
SPACE = re.compile(r"\s")
MOST_TITLE = 1_024
MOST_DESCRIPTION = 16_384
MOST_URL = 2_048
MOST_WORD = 128
# Names of one alert with so many characters are remembered: what a sender makes up must not fill the memory.
MOST_KNOWN = 1_024
# An alert travels as one message of the bus, which takes at most 1 MiB.
MOST_LABELS_BYTES = 65_536
MOST_ANNOTATIONS_BYTES = 131_072
MOST_ANNOTATIONS_WHEN_CUT = 64
MOST_ANNOTATION_WHEN_CUT = 1_024


class _Lengths(dict[int, str]):
    """Lengths as they are hashed. Writing them anew is most of what hashing an alert costs."""

    def __missing__(self, length: int) -> str:
        return f"{length}:"


LENGTHS = _Lengths({length: f"{length}:" for length in range(256)})


class Signal(Struct, frozen=True):
    """What one sender says about one thing that it watches.

    `integration` and `fingerprint` name the thing. `resolved` says that it is over; `ends_at` is then when it ended, otherwise
    when it ends unless somebody speaks again (None: never). `ends_by_timeout` marks an end that the sender did not give.
    `acknowledged` says that somebody at the sender takes care; it opens nothing. `by` is who did it at the sender, `delivery` the
    sender's own id of this delivery, by which one that comes again is known (empty: it has none). `sender_fields` is what only
    the sender's own API reads and gives back; JSON values.
    """

    integration: str
    fingerprint: str
    title: str
    starts_at: datetime
    ends_at: datetime | None = None
    ends_by_timeout: bool = False
    resolved: bool = False
    description: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    source_url: str = ""
    severity: str = ""
    service: str = ""
    tags: tuple[str, ...] = ()
    acknowledged: bool = False
    by: str = ""
    note: str = ""
    delivery: str = ""
    sender_fields: Mapping[str, object] = field(default_factory=dict)


def hashed(*parts: str, labels: Mapping[str, str]) -> str:
    """A fingerprint: 32 hex digits over texts and labels, whatever the order of the labels."""
    said = [str(len(parts)), *chain.from_iterable((",", LENGTHS[len(part)], part) for part in parts)]
    for name, head in outline_of(labels).heads:
        text = labels[name]
        said += (head, LENGTHS[len(text)], text)
    # With its length before each text, no two lists of texts look the same.
    return hashlib.blake2b("".join(said).encode(), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class Outline:
    """What the names of labels or annotations say by themselves.

    `bad` is the first that is not a legal one, cut to a length that can be shown (None: all are), `heads` has each in order, with
    what is hashed of it.
    """

    bad: str | None
    heads: tuple[tuple[str, str], ...]


def outline_of(names: Iterable[str]) -> Outline:
    """The outline of these names. Senders have few, and say them with every alert."""
    given = tuple(names)
    return _outline_known(given) if len("".join(given)) <= MOST_KNOWN else _outline(given)


def _outline(names: tuple[str, ...]) -> Outline:
    bad = next((shortened(name, MOST_WORD) for name in names if not LABEL_NAME.fullmatch(name)), None)
    return Outline(bad, tuple((name, f",{len(name)}:{name},") for name in sorted(names)))


_outline_known = lru_cache(maxsize=1_024)(_outline)


def first_of(*texts: str | None) -> str:
    """The first text that says something, without space around it; empty if none does."""
    for text in texts:
        if text and (stripped := text.strip()):
            return stripped
    return ""


def one_line(text: str, most: int = MOST_TITLE) -> str:
    """The text on one line, at most `most` characters."""
    return shortened(" ".join(text.split()), most)


def storable(text: str) -> str:
    """The text without NUL, which Postgres does not take."""
    return text.replace("\0", "\ufffd")


def shortened(text: str, most: int) -> str:
    """At most `most` characters; a text that was cut ends in an ellipsis."""
    return text if len(text) <= most else text[: most - 1] + "…"


def severity_word(*words: str | None) -> str:
    """The sender's own word for how bad it is, lower case; empty if it says none."""
    return one_line(first_of(*words).lower(), MOST_WORD)


def web_address(text: str) -> str:
    """The text if it is an address that a browser may open: http or https; otherwise empty, as a sender's text is never trusted."""
    stripped = text.strip()
    return stripped if len(stripped) <= MOST_URL and _may_be_opened(stripped) else ""


@lru_cache(maxsize=1_024)
def _may_be_opened(address: str) -> bool:
    """A flood names the same few addresses."""
    return address.lower().startswith(("http://", "https://")) and SPACE.search(address) is None


def fitting(annotations: Mapping[str, str]) -> Mapping[str, str]:
    """The annotations, cut if they are too many or too long: no alert is lost because it explains too much."""
    if size(annotations) <= MOST_ANNOTATIONS_BYTES:
        return annotations
    kept = [(name, text) for name, text in annotations.items() if len(name) <= MOST_WORD][:MOST_ANNOTATIONS_WHEN_CUT]
    return {name: shortened(text, MOST_ANNOTATION_WHEN_CUT) for name, text in kept}


def problem_of_labels(labels: Mapping[str, str]) -> str:
    """What is wrong with the labels and how to mend it; empty if nothing is."""
    bad = outline_of(labels).bad
    if bad is not None:
        return f"label name {bad!r} is not valid: use letters, digits and underscores, and no digit first"
    if size(labels) > MOST_LABELS_BYTES:
        return f"the labels are larger than {MOST_LABELS_BYTES} bytes in all: move long texts to annotations"
    return ""


def size(texts: Mapping[str, str]) -> int:
    """How many bytes the texts take at most; exact only where it matters."""
    characters = len("".join(texts)) + len("".join(texts.values()))
    if characters * 4 <= MOST_LABELS_BYTES:
        return characters * 4
    return sum(len(name.encode()) + len(text.encode()) for name, text in texts.items())
