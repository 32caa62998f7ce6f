"""`tocsin sign-in-link` and `tocsin key`: who and what may come in."""

from typing import TYPE_CHECKING

from tocsin_client import times
from tocsin_client.commands.asking import agree
from tocsin_client.commands.options import DEFAULTS, Options
from tocsin_client.later import later
from tocsin_client.screen import facts, number, short

if TYPE_CHECKING:
    from rich.console import RenderableType
    from tocsin.access.v1 import access_pb2 as access
    from tocsin.edge.v1 import edge_service_pb2 as edge
else:
    access = later("tocsin.access.v1.access_pb2")
    edge = later("tocsin.edge.v1.edge_service_pb2")

NEVER = "never"


def sign_in_link(account: str, /, *, role: str = "", options: Options = DEFAULTS) -> None:
    """Make a one-time link with which somebody signs in to the console. The account is made if there is none.

    Parameters
    ----------
    account
        The account's name: lower-case letters, digits and dashes. Where it is a responder's too, that responder is meant.
    role
        The role of an account that is made: viewer, responder (default), manager or admin. An existing account keeps its own.
    """
    request = edge.CreateSignInLinkRequest(
        account=account, role=number(access.Role, role, "--role") if role else access.Role.ROLE_UNSPECIFIED
    )
    with options.open() as tocsin:
        answer = tocsin.edge.CreateSignInLink(request)
    options.screen.result(answer, lambda made: facts({"open once": made.url, "works until": times.local(made, "expires_at")}))


def create_key(name: str, /, *, role: str = "responder", expires: str = NEVER, options: Options = DEFAULTS) -> None:
    """Make an API key for a program. Its secret is shown once.

    Parameters
    ----------
    name
        The key's name: lower-case letters, digits and dashes.
    role
        What it may do: viewer, responder, manager or admin.
    expires
        When it stops working: "in 90d", ISO 8601, or never.
    """
    request = edge.CreateApiKeyRequest(api_key=edge.ApiKey(name=name, role=number(access.Role, role, "--role")))
    if expires != NEVER:
        request.api_key.expires_at.FromDatetime(times.instant(expires, options.now, "--expires"))
    with options.open() as tocsin:
        answer = tocsin.edge.CreateApiKey(request)
    options.screen.result(answer, drawn_key)


def drawn_key(answer: "edge.CreateApiKeyResponse") -> "RenderableType":
    key = answer.api_key
    until = times.local(key, "expires_at") or NEVER
    return facts({"key": key.name, "role": short(access.Role, key.role).lower(), "expires": until, "secret, shown once": answer.secret})


def list_keys(*, options: Options = DEFAULTS) -> None:
    """List API keys by name, without their secrets."""
    with options.open() as tocsin:
        keys = list(tocsin.edge.ListApiKeys(edge.ListApiKeysRequest()).api_keys)
    options.screen.table(
        keys,
        {
            "NAME": lambda key: key.name,
            "ROLE": lambda key: short(access.Role, key.role).lower(),
            "MADE": lambda key: times.local(key, "created_at"),
            "LAST USED": lambda key: times.local(key, "last_used_at") or NEVER,
            "EXPIRES": lambda key: times.local(key, "expires_at") or NEVER,
        },
        nothing="No API key.",
    )


def revoke_key(name: str, /, *, yes: bool = False, options: Options = DEFAULTS) -> None:
    """End an API key at once and for good. One that is gone stays gone.

    Parameters
    ----------
    name
        The key's name.
    yes
        Do not ask.
    """
    agree(f"End the API key {name!r} for good?", yes)
    with options.open() as tocsin:
        tocsin.edge.RevokeApiKey(edge.RevokeApiKeyRequest(name=name))
    options.screen.say(f"API key {name} is revoked.")
