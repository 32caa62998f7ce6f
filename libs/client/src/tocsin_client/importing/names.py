"""Names here for things that have ids there: the same thing gets the same name at every run, even when it was renamed there."""

import re
import unicodedata
from collections.abc import Mapping

LONGEST = 63


class Names:
    """`kept` is what earlier runs have given: "kind/id" to name."""

    def __init__(self, kept: Mapping[str, str] | None = None) -> None:
        self.kept: dict[str, str] = dict(kept or {})
        self._used = {(key.partition("/")[0], name) for key, name in self.kept.items()}

    def of(self, kind: str, identity: str, wanted: str) -> str:
        """The name of the thing with this id; made from `wanted` the first time."""
        key = f"{kind}/{identity}"
        if key not in self.kept:
            name = self._free(kind, slug(wanted) or slug(identity) or kind.lower())
            self.kept[key] = name
            self._used.add((kind, name))
        return self.kept[key]

    def person(self, identity: str, mailbox: str, wanted: str) -> str:
        """The name of a person: who has the same mailbox is the same one, wherever they were met first."""
        name = self.known("Responder", identity) or self.known("mailbox", mailbox.lower()) or self.of("Responder", identity, wanted)
        self.take("Responder", identity, name)
        if mailbox:
            self.take("mailbox", mailbox.lower(), name)
        return name

    def known(self, kind: str, identity: str) -> str | None:
        """The name of a thing that was named before."""
        return self.kept.get(f"{kind}/{identity}")

    def take(self, kind: str, identity: str, name: str) -> None:
        """This thing is one that is here already."""
        self.kept.setdefault(f"{kind}/{identity}", name)
        self._used.add((kind, name))

    def avoid(self, kind: str, name: str) -> None:
        """This name belongs to something that no import has made."""
        self._used.add((kind, name))

    def _free(self, kind: str, wanted: str) -> str:
        name, number = wanted, 2
        while (kind, name) in self._used:
            ending = f"-{number}"
            name, number = wanted[: LONGEST - len(ending)].rstrip("-") + ending, number + 1
        return name


def slug(text: str) -> str:
    """Lower-case letters, digits and dashes, at most 63."""
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    words = re.sub(r"[^a-z0-9]+", "-", ascii_text).strip("-")
    return words.removeprefix("tocsin-")[:LONGEST].strip("-")
