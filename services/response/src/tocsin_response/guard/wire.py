"""Guard rails between protobuf and the domain, and what a file may have wrong."""

from collections.abc import Mapping
from datetime import timedelta

from tocsin.response.v1.containment_pb2 import GuardRails

from tocsin_oncall.hours import Hours
from tocsin_playbook.catalogue import ACTIONS
from tocsin_response.containment.measure import TargetKind
from tocsin_response.guard.rails import ChangeWindow, NeverTouch, Rails, RateLimit, network_of
from tocsin_response.playbook.deeds import ON_HOSTS

HOUR = timedelta(hours=1)
# What rails may name: the actions of the catalogue, and commands that act on hosts.
COUNTED = frozenset({*ACTIONS, *ON_HOSTS})


def rails_of(given: GuardRails, hours: Mapping[str, Hours]) -> Rails:
    """The rails with their calendars; a window whose calendar is gone binds nobody (files cannot take it away while it is named)."""
    return Rails(
        given.name,
        tuple(NeverTouch(TargetKind(each.kind), each.pattern, each.reason) for each in given.never_touch),
        tuple(
            RateLimit(frozenset(each.actions), each.most, each.within.ToTimedelta() if each.HasField("within") else HOUR)
            for each in given.limits
        ),
        tuple(
            ChangeWindow(frozenset(each.actions), hours[each.business_hours], each.not_for_severity)
            for each in given.windows
            if each.business_hours in hours
        ),
    )


def problems_of_rails(given: GuardRails) -> list[tuple[str, str]]:
    """What is wrong with rails by themselves: field and what to mend."""
    addresses = [
        (f"never_touch[{number}].pattern", "must be an IP address or a network such as 10.0.0.0/8")
        for number, each in enumerate(given.never_touch)
        if TargetKind(each.kind) is TargetKind.ADDRESS and network_of(each.pattern) is None
    ]
    named = [(f"limits[{number}].actions", each.actions) for number, each in enumerate(given.limits)]
    named += [(f"windows[{number}].actions", each.actions) for number, each in enumerate(given.windows)]
    actions = [
        (f"{field}[{index}]", f"there is no action {action}; there are {', '.join(sorted(COUNTED))}")
        for field, names in named
        for index, action in enumerate(names)
        if action not in COUNTED
    ]
    return addresses + actions
