"""What a configuration must fulfil beyond the form of its messages."""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass

from tocsin_oncall import wall

Problem = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Reference:
    """One resource names another: `field` is the path at which `referrer` does it."""

    field: str
    referrer: str
    kind: str
    name: str


def problem_of_zone(field: str, name: str) -> list[Problem]:
    """Whether this is a zone of the IANA database."""
    try:
        wall.zone_named(name)
    except ValueError as error:
        return [(field, str(error))]
    return []


def problems_of_names(field: str, names: Iterable[str]) -> list[Problem]:
    """Names that are given twice."""
    seen: set[str] = set()
    problems: list[Problem] = []
    for index, name in enumerate(names):
        if name in seen:
            problems.append((f"{field}[{index}].name", f"{name} is given twice"))
        seen.add(name)
    return problems


def problems_of_references(references: Iterable[Reference], kept: Mapping[str, Set[str]], deleted: Mapping[str, Set[str]]) -> list[Problem]:
    """References to what will not be there: it never was, or it would be deleted."""
    problems: list[Problem] = []
    for reference in references:
        if reference.name in deleted.get(reference.kind, ()):
            said = f"{reference.kind} {reference.name} would be deleted, but {reference.referrer} still names it"
        elif reference.name not in kept.get(reference.kind, ()):
            said = f"there is no {reference.kind} {reference.name}, which {reference.referrer} names"
        else:
            continue
        problems.append((reference.field, said))
    return problems
