"""Who is calling: every call but health and reflection carries a token of this platform."""

from tocsin_chassis.grpc.caller import NotSignedIn, TrustedKeys, set_caller
from tocsin_chassis.grpc.wrapping import Around, Call

OPEN = ("/grpc.health.v1.Health/",)


class Authentication(Around):
    """Verifies the bearer token and remembers the caller; a call without one goes on as anonymous."""

    def __init__(self, keys: TrustedKeys) -> None:
        self._keys = keys

    def admit(self, call: Call) -> None:
        set_caller(None)
        if not call.method.startswith(OPEN) and (header := call.metadata.get("authorization")):
            scheme, _, token = header.partition(" ")
            if scheme.lower() != "bearer":
                raise NotSignedIn()
            set_caller(self._keys.verify(token.strip()))
