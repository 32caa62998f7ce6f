"""Matchers as people write them, in Alertmanager's syntax: one by one, or `{team="db", env=~"prod.*"}`."""

from collections.abc import Iterable


def split(texts: Iterable[str]) -> list[str]:
    """The single matchers of some texts: parted by commas and line breaks outside of quotes. The server reads each of them."""
    return [matcher for text in texts for matcher in parts(text)]


def parts(text: str) -> list[str]:
    bare = text.strip()
    inner = bare[1:-1] if bare.startswith("{") and bare.endswith("}") else bare
    found, quoted, escaped = [""], False, False
    for letter in inner:
        if letter in ",\n" and not quoted:
            found.append("")
            continue
        if letter == '"' and not escaped:
            quoted = not quoted
        escaped = letter == "\\" and not escaped
        found[-1] += letter
    return [matcher.strip() for matcher in found if matcher.strip()]
