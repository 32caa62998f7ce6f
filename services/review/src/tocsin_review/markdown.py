"""Text of others in Markdown: shown as it is, never as markup."""

import re
from collections.abc import Iterable, Sequence

ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
# An underscore within a word is no markup; names are full of them.
MARKUP = re.compile(r"[\\`*\[\]|~$]|(?<![^\W_])_|_(?![^\W_])")
BLOCK_START = re.compile(r"^(\d{1,9})([.)])|^([-+=#])")
LINKS = (("://", "&#58;//"), ("www.", "www&#46;"), ("@", "&#64;"))


def escaped(text: str, longest: int = 300) -> str:
    """One line of text that any Markdown reader shows as text: no markup, no HTML, no link, no invisible characters."""
    line = " ".join(text.split())
    line = "".join(character for character in line if character.isprintable())
    line = line if len(line) <= longest else line[: longest - 1] + "…"
    line = "".join(ENTITIES.get(character, character) for character in line)
    line = MARKUP.sub(r"\\\g<0>", line)
    for sign, entity in LINKS:
        line = re.sub(re.escape(sign), entity, line, flags=re.IGNORECASE)
    return BLOCK_START.sub(lambda found: f"{found[1]}\\{found[2]}" if found[1] else f"\\{found[3]}", line)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; the cells are escaped already."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def bullets(items: Iterable[str]) -> str:
    """A list; the items are escaped already."""
    return "\n".join(f"- {item}" for item in items)
