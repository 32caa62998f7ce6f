"""Waiting for a condition, with an end, and open to the operator's wish to stop."""

import threading
import time
from collections.abc import Callable

from tocsin_standalone.errors import Interrupted, StandaloneError


def wait_until(
    condition: Callable[[], bool],
    what: str,
    *,
    seconds: float,
    stop: threading.Event | None = None,
    progress: Callable[[float], None] | None = None,
) -> None:
    """Return once `condition` holds. Raises StandaloneError after `seconds`, Interrupted when `stop` is set.

    `progress` is told every 10 s for how many seconds it has waited.
    """
    stop = stop or threading.Event()
    began = time.monotonic()
    told = began
    while not condition():
        now = time.monotonic()
        if now - began > seconds:
            raise StandaloneError(f"{what}: not within {seconds:.0f} s")
        if progress is not None and now - told > 10:
            told = now
            progress(now - began)
        if stop.wait(0.03):
            raise Interrupted(what)
