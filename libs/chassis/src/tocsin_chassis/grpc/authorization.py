"""Who may call what: the rule stands beside each RPC in its proto, and is enforced here."""

from collections.abc import Iterable, Mapping

from google.protobuf.descriptor import ServiceDescriptor
from tocsin.access.v1.access_pb2 import Access, Role, access

from tocsin_chassis.grpc.caller import Caller, caller
from tocsin_chassis.grpc.wrapping import Around, Call
from tocsin_kernel.errors import Forbidden


class NotAllowed(Forbidden):
    reason = "NOT_ALLOWED"
    message = "{caller} may not call {method}: it needs {needs}"


Rules = Mapping[str, Access]

_OPEN = ("/grpc.health.v1.Health/",)
_REFLECTION = "/grpc.reflection."


def rules(services: Iterable[ServiceDescriptor]) -> dict[str, Access]:
    """The access rule of every method, by its full name. A method without one is refused to all."""
    return {
        f"/{service.full_name}/{method.name}": method.GetOptions().Extensions[access] for service in services for method in service.methods
    }


class Authorization(Around):
    """Refuses callers whom the rule of the RPC does not name. What has no rule is refused."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules

    def admit(self, call: Call) -> None:
        if call.method.startswith(_REFLECTION):
            require(caller(), call.method, Access(role=Role.ROLE_VIEWER, services=["edge"]))
        elif not call.method.startswith(_OPEN):
            rule = self._rules.get(call.method, Access())
            if not rule.anonymous:
                require(caller(), call.method, rule)


def require(who: Caller, method: str, rule: Access) -> None:
    """Raises NotAllowed unless the rule admits the caller."""
    if who.service:
        allowed = who.service in rule.services
    else:
        allowed = rule.role != Role.ROLE_UNSPECIFIED and who.role >= rule.role
    if not allowed:
        needs = Role.Name(rule.role).removeprefix("ROLE_").lower() if rule.role else "one of Tocsin's own services"
        raise NotAllowed(caller=who.name, method=method.rpartition("/")[2], needs=needs)
