"""Programs that end with whoever started them, even if that one is killed."""

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from tocsin_standalone import launcher


def tied(command: Sequence[str | Path]) -> list[str]:
    """The command that runs `command` and, where the kernel can do that (Linux), has it asked to end (SIGTERM) when this process ends.

    Start it from the main thread: the kernel ties its life to the thread that did. The process keeps the id that Popen knows.
    """
    prefix = [sys.executable, "-I", "-S", launcher.__file__, str(os.getpid()), str(int(signal.SIGTERM)), "-"]
    return [*prefix, *map(str, command)]
