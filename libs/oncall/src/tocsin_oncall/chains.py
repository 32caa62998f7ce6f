"""Chains of schedules and policies that name each other: those that lead back to where they began, or too far."""

from collections import defaultdict, deque
from collections.abc import Collection, Iterable, Mapping
from itertools import pairwise
from typing import NamedTuple

# A chain is followed through so many schedules and policies, and a policy in so many ways: what is more is a mistake, and would take long.
LONGEST = 12
MOST_WAYS = 200
SCHEDULE = "schedule"
POLICY = "escalation policy"


class Node(NamedTuple):
    """A schedule, one of its layers, or a policy."""

    kind: str
    name: str
    layer: str = ""

    def __str__(self) -> str:
        return f"{f'layer {self.layer} of ' if self.layer else ''}{self.kind} {self.name}"


Graph = Mapping[Node, Collection[Node]]
Link = tuple[Node, Node]


def schedule(name: str, layer: str = "") -> Node:
    return Node(SCHEDULE, name, layer)


def policy(name: str) -> Node:
    return Node(POLICY, name)


def said(chain: Iterable[Node]) -> str:
    """For people. Which layer it is is said only where a policy asks for the layer alone."""
    nodes = list(chain)
    named = [nodes[0], *(each for before, each in pairwise(nodes) if not _its_layer(before, each))]
    return " → ".join(map(str, named))


def way(graph: Graph, start: Node, end: Node) -> list[Node] | None:
    """The shortest chain from one to the other, both included."""
    came: dict[Node, Node | None] = {start: None}
    waiting = deque([start])
    while waiting:
        here = waiting.popleft()
        if here == end:
            return list(reversed([*_back(came, here)]))
        for there in graph.get(here, ()):
            if there not in came:
                came[there] = here
                waiting.append(there)
    return None


def reached(graph: Graph, starts: Iterable[Node]) -> set[Node]:
    """All that these lead to, themselves included."""
    found: set[Node] = set()
    waiting = list(starts)
    while waiting:
        here = waiting.pop()
        if here not in found:
            found.add(here)
            waiting += graph.get(here, ())
    return found


def cuts(graph: Graph) -> dict[Link, str]:
    """The links that are not followed, and why: then every chain ends, and soon."""
    left, found = _without_ends(graph), dict[Link, str]()
    for here, nexts in left.items():
        for there in nexts:
            back = way(left, there, here)
            if back is not None:
                found[here, there] = f"it leads back to itself: {said([here, *back])}"
    return {**found, **_too_far(graph, found)}


def _too_far(graph: Graph, circles: Mapping[Link, str]) -> dict[Link, str]:
    """What lies behind a link is known before the link is looked at: the ends come first. It is policies that are not followed further."""
    found: dict[Link, str] = {}
    depths, ways = dict[Node, int](), dict[Node, int]()
    for here in _ends_first({node: [each for each in nexts if (node, each) not in circles] for node, nexts in graph.items()}):
        depth, counts = 0, list[int]()
        for there in graph.get(here, ()):
            if (here, there) in circles:
                continue
            if here.kind == POLICY and depths[there] >= LONGEST:
                found[here, there] = f"the chain from {there} on is longer than {LONGEST}"
            elif here.kind == POLICY and sum(counts) + ways[there] > MOST_WAYS:
                found[here, there] = f"{here} asks in more than {MOST_WAYS} ways"
            else:
                depth, counts = max(depth, depths[there]), [*counts, ways[there]]
        # The policies of a layer take turns.
        depths[here], ways[here] = depth + 1, max(counts, default=1) if here.layer else max(sum(counts), 1)
    return found


def _ends_first(graph: Graph) -> list[Node]:
    """Every node of a graph without circles, after all that it leads to."""
    befores: dict[Node, list[Node]] = defaultdict(list)
    missing = {node: len(set(nexts)) for node, nexts in graph.items()}
    for node, nexts in graph.items():
        for there in set(nexts):
            befores[there].append(node)
            missing.setdefault(there, 0)
    ready = deque(node for node, count in missing.items() if not count)
    order: list[Node] = []
    while ready:
        here = ready.popleft()
        order.append(here)
        for before in befores[here]:
            missing[before] -= 1
            if not missing[before]:
                ready.append(before)
    return order


def _without_ends(graph: Graph) -> dict[Node, list[Node]]:
    """Only what may be part of a circle: mostly nothing."""
    left = set(graph) - set(_ends_first(graph))
    return {node: [each for each in dict.fromkeys(graph[node]) if each in left] for node in graph if node in left}


def _back(came: Mapping[Node, Node | None], here: Node | None) -> Iterable[Node]:
    while here is not None:
        yield here
        here = came[here]


def _its_layer(node: Node, other: Node) -> bool:
    return not node.layer and bool(other.layer) and (node.kind, node.name) == (other.kind, other.name)
