"""Ports of this machine: which are free, and which can be kept over a restart."""

import secrets
import socket
from pathlib import Path

from tocsin_standalone.errors import StandaloneError

LOOPBACK = "127.0.0.1"
EPHEMERAL_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


def is_free(port: int) -> bool:
    """True if a server could listen on this loopback port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def free_port(taken: set[int] | None = None, *, neighbours: int = 0) -> int:
    """A loopback port that is free, and `neighbours` after it too; adds them to `taken`.

    Taken from below the range that the kernel gives to outgoing connections: while a server restarts, nobody who tries to
    reach it can be given the server's own port and block it.
    """
    taken = set() if taken is None else taken
    top = _first_ephemeral_port() - neighbours
    for _ in range(2000):
        first = 10000 + secrets.randbelow(top - 10000)
        wanted = set(range(first, first + neighbours + 1))
        if not wanted & taken and all(is_free(port) for port in wanted):
            taken |= wanted
            return first
    raise StandaloneError("no free port between 10000 and 32767: stop something that listens on this machine")


def require_free(port: int, purpose: str) -> None:
    """Raises StandaloneError that names the port, what it is for, and the way out."""
    if not 0 < port < 65536:
        raise StandaloneError(f"{port} is no port for {purpose}: give --port a number from 1 to 65533")
    if not is_free(port):
        raise StandaloneError(
            f"port {port} on {LOOPBACK}, needed for {purpose}, is in use (or not allowed): "
            "stop what listens there, or choose another with --port"
        )


def _first_ephemeral_port() -> int:
    try:
        first = int(EPHEMERAL_RANGE.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return 32768
    return first if first > 12000 else 32768
