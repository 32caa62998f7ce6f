"""HTML of a stranger as plain text."""

import html
import re

import nh3

# A page of hostile nesting takes time in the square of its length.
MOST_HTML = 65_536
CELLS = {"td", "th"}
BLOCKS = {"p", "div", "br", "tr", "li", "h1", "h2", "h3", "h4", "h5", "h6", "table", "ul", "ol", "pre", "blockquote", "hr"}
UNSAID = {"script", "style", "head", "title", "template"}
TAG = re.compile(r"</?([a-z0-9]+)[^>]*>")
BLANK_LINES = re.compile(r"\n\s*\n")


def from_html(content: str) -> str:
    """The text of an HTML page, a line for each block of it."""
    clean = nh3.clean(content[:MOST_HTML], tags=BLOCKS | CELLS, attributes={}, clean_content_tags=UNSAID, link_rel=None)
    text = html.unescape(TAG.sub(lambda tag: " " if tag[1] in CELLS else "\n", clean))
    return BLANK_LINES.sub("\n", "\n".join(line.strip() for line in text.replace("\xa0", " ").splitlines())).strip()
