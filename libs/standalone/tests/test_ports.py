"""Ports: what is taken is said, and what is chosen can be kept."""

import socket

import pytest

from tocsin_standalone import ports, services
from tocsin_standalone.errors import StandaloneError


def test_a_taken_port_is_named_with_the_way_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(StandaloneError, match=rf"port {port} .* the console, .*--port"):
            ports.require_free(port, "the console")


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_number_that_is_no_port_is_refused(port: int) -> None:
    with pytest.raises(StandaloneError, match="no port"):
        ports.require_free(port, "the console")


def test_chosen_ports_are_all_different_and_outside_the_kernels_own_range() -> None:
    chosen = services.choose_ports(0, demo=True)
    everything = [chosen.http, chosen.grpc, chosen.mailbox, chosen.smtp, chosen.postgres, chosen.nats, *chosen.internal.values()]
    assert len(set(everything)) == len(everything)
    assert max(everything) < ports._first_ephemeral_port()
    assert (chosen.grpc, chosen.mailbox) == (chosen.http + 1, chosen.http + 2)


def test_the_mailbox_port_matters_only_to_the_demo() -> None:
    first = ports.free_port(neighbours=2)
    with socket.create_server(("127.0.0.1", first + 2)):
        services.choose_ports(first, demo=False)
        with pytest.raises(StandaloneError, match=f"port {first + 2} .*mailbox"):
            services.choose_ports(first, demo=True)
