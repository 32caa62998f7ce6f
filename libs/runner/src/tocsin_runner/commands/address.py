"""Where a CACAO agent or target is, and as whom it is asked."""

import base64
import ipaddress
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from tocsin_runner.assignment import Assignment, Document, Json, Refused
from tocsin_runner.variables import in_host

ReadSecret = Callable[[str], str]


def where(assignment: Assignment) -> Document:
    """The target, or the agent where the command has no target. Raises Refused."""
    found = assignment.target or assignment.agent
    if not found:
        raise Refused("the command has neither a target nor an agent with an address")
    return found


def base_url(assignment: Assignment) -> str:
    """The address before the path, without a slash at its end. Raises Refused."""
    target = where(assignment)
    if (written := _first(target, "url")) is not None:
        parts = urlsplit(written)
        if parts.scheme not in ("http", "https") or not parts.netloc or "@" in parts.netloc or parts.query or parts.fragment:
            raise Refused(f"{written[:100]!r} is no address of a server")
        host = in_host(parts.hostname or "", assignment.variables)
        return f"{parts.scheme}://{_bracketed(host)}{f':{parts.port}' if parts.port else ''}{parts.path.rstrip('/')}"
    port = _port(target, 443)
    return f"https://{_bracketed(host_of(assignment))}:{port}"


def host_of(assignment: Assignment) -> str:
    """The host name or address. Raises Refused."""
    target = where(assignment)
    for kind in ("dname", "ipv4", "ipv6"):
        if (written := _first(target, kind)) is not None:
            return in_host(written, assignment.variables)
    raise Refused("the target has no address: give url, dname, ipv4 or ipv6")


def port_of(assignment: Assignment, default: int) -> int:
    """The port. Raises Refused."""
    return _port(where(assignment), default)


def information(assignment: Assignment) -> Document:
    """The authentication information of the target, or of the agent; empty if there is none."""
    given = assignment.authentication
    if "type" in given:
        return given
    for place in (assignment.command, assignment.target, assignment.agent):
        name = place.get("authentication_info")
        if isinstance(name, str) and isinstance(found := given.get(name), Mapping):
            return found
    only = [item for item in given.values() if isinstance(item, Mapping)]
    return only[0] if len(only) == 1 else {}


def authorization(info: Document, read: ReadSecret) -> dict[str, str]:
    """The headers by which HTTP is told who asks. Raises Refused."""
    match info.get("type"):
        case None:
            return {}
        case "http-basic":
            user = str(info.get("username") or info.get("user_id") or "")
            credentials = f"{read(user) if user.startswith('secret:') else user}:{read(str(info.get('password')))}"
            return {"authorization": "Basic " + base64.b64encode(credentials.encode()).decode()}
        case "oauth2":
            # CACAO has the whole header, or its token.
            if info.get("oauth_header"):
                return {"authorization": read(str(info["oauth_header"]))}
            return {"authorization": f"Bearer {read(str(info.get('token')))}"}
        case other:
            raise Refused(f"authentication of type {other} is not known for HTTP: use http-basic or oauth2")


def _first(target: Document, kind: str) -> str | None:
    """CACAO keeps lists of addresses by kind; older playbooks have one text."""
    address = target.get("address")
    places: list[Json] = [address.get(kind)] if isinstance(address, Mapping) else []
    places.append(target.get(kind))
    for found in places:
        if isinstance(found, list) and found:
            found = found[0]
        if isinstance(found, str) and found:
            return found
    return None


def _port(target: Document, default: int) -> int:
    written = target.get("port", default)
    try:
        port = int(str(written))
    except ValueError:
        port = 0
    if not 0 < port < 65536:
        raise Refused(f"{str(written)[:20]!r} is no port")
    return port


def _bracketed(host: str) -> str:
    try:
        return f"[{host}]" if ipaddress.ip_address(host).version == 6 else host
    except ValueError:
        return host
