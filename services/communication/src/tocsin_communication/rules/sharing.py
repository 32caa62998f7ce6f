"""Which of the pages that wait for one contact method leave alone, which are told together, and which wait. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from tocsin_communication.pages.page import Kind, Page
from tocsin_communication.rules.personal import Urgency


@dataclass(frozen=True, slots=True)
class Shared:
    """What becomes of them; `together` holds two or more, or none."""

    alone: tuple[Page, ...] = ()
    together: tuple[Page, ...] = ()
    wait: tuple[Page, ...] = ()


def share(pages: Sequence[Page], free: int) -> Shared:
    """So many messages may go now. What is urgent and the first page of each service go alone as far as there is room; the last
    message tells all summonses that are left. What is only told (who took it, that it is over) comes after what asks."""
    ordered = _in_turn(pages)
    if len(ordered) <= free:
        return Shared(alone=tuple(ordered))
    if free <= 0:
        return Shared(wait=tuple(ordered))
    summonses = [page for page in ordered if page.kind is Kind.SUMMONS]
    others = [page for page in ordered if page.kind is not Kind.SUMMONS]
    asking = [page for page in others if page.kind in (Kind.DIRECT, Kind.BUNDLE)]
    telling = [page for page in others if page not in asking]
    first = asking[:free] if not summonses else asking[: free - 1]
    left = free - len(first)
    if len(summonses) <= left:
        alone, together = summonses, []
    else:
        alone, together = summonses[: left - 1], summonses[left - 1 :]
    left -= len(alone) + bool(together)
    told = telling[:left]
    chosen = {page.id for page in (*first, *alone, *together, *told)}
    return Shared((*first, *alone, *told), tuple(together), tuple(page for page in ordered if page.id not in chosen))


def _in_turn(pages: Sequence[Page]) -> list[Page]:
    """Urgent first; then the first of each service, the second of each, and so on."""
    turns: dict[str, int] = {}
    keyed = []
    for page in sorted(pages, key=lambda page: (page.urgency is Urgency.LOW, page.due_at, page.id)):
        turns[page.queue] = turns.get(page.queue, 0) + 1
        keyed.append(((page.urgency is Urgency.LOW, turns[page.queue], page.due_at, page.id), page))
    return [page for _, page in sorted(keyed, key=lambda pair: pair[0])]
