"""What a list of alerts is asked for in Opsgenie's words, and the links to its other pages. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from tocsin_detection.alert import Alert
from tocsin_detection.intake.intake import Request
from tocsin_detection.intake.opsgenie_api.conditions import SORTED, Search
from tocsin_detection.intake.opsgenie_api.query import MOST_CHARACTERS, Unsearchable, parse
from tocsin_detection.intake.opsgenie_api.wording import Refused, unprocessable
from tocsin_detection.intake.opsgenie_fields import MOST_WORD, Fields
from tocsin_detection.signal import shortened, storable

USUAL_LIMIT = 20
MOST_AT_ONCE = 100
DEEPEST_OFFSET = 20_000
ASKED = ("query", "limit", "offset", "sort", "order", "searchIdentifier")


def search_of(request: Request) -> Search:
    """What the request asks for. Raises Refused, with what is wrong by parameter."""
    given = {name: values[0] for name in ASKED if (values := request.parameters(name))}
    fields = Fields(given)
    order = fields.choice("order", ("asc", "desc")) if given.get("order") else "desc"
    search = Search(
        integration=request.integration.name,
        wanted=None,
        sort=_sort(given, fields),
        descending=order != "asc",
        limit=fields.number("limit", 1, MOST_AT_ONCE) if given.get("limit") else USUAL_LIMIT,
        offset=fields.number("offset", 0, DEEPEST_OFFSET) if given.get("offset") else 0,
    )
    if given.get("searchIdentifier"):
        fields.errors["searchIdentifier"] = "saved searches are not kept here; send the query itself"
    try:
        search = replace(search, wanted=parse(storable(given.get("query", ""))))
    except Unsearchable as error:
        fields.errors["query"] = f"{error} (at most {MOST_CHARACTERS} characters; fields, AND, OR, NOT and parentheses are understood)"
    if fields.errors:
        raise unprocessable(fields.errors)
    return search


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the alerts that were found, in their order, and whether more follow. `total` is None where nobody has counted them."""

    alerts: Sequence[Alert]
    more: bool
    total: int | None


def links(request: Request, search: Search, page: Page) -> dict[str, str]:
    """The first, next and last page, as addresses below the sender's own; no last one where none is known that may be asked for."""
    given = {name: values[0] for name in ("query", "sort", "order") if (values := request.parameters(name))}
    starts = {"first": 0}
    if page.more:
        starts["next"] = search.offset + search.limit
    if page.total is not None and (last := max(page.total - 1, 0) // search.limit * search.limit) <= DEEPEST_OFFSET:
        starts["last"] = last
    return {name: _link(request.path, given, search.limit, offset) for name, offset in starts.items()}


def too_wide(why: str) -> Refused:
    """422: nobody looks at so much for one answer."""
    return unprocessable({"query": f"{why}; narrow it by status: open, alias, tinyId or createdAt"})


def _link(path: str, given: Mapping[str, str], limit: int, offset: int) -> str:
    return f"{path}?{urlencode({'limit': limit, 'offset': offset, **given})}"


def _sort(given: Mapping[str, str], fields: Fields) -> str:
    sort = fields.text("sort", MOST_WORD) or "createdAt"
    if sort not in SORTED:
        fields.errors["sort"] = f"{shortened(sort, 32)!r} is none of {', '.join(SORTED)}"
        return "createdAt"
    return sort
