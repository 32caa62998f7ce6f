"""Shifts the wall clock of one program of ours, without touching the machine's: put this folder on the PYTHONPATH of an installation.

Python imports a module of this name before anything else. It looks which program it is in, and leaves all others alone. The file
`service` beside it names the service, the file `seconds` (a double, mapped into memory, so that a run can change it at any moment)
says by how much its clock is wrong. It is a module instead of a library to preload (libfaketime) because that is not on every machine
where the faults run, and would need a compiler. The monotonic clock keeps running, as on a machine whose wall clock somebody has set
wrong; C code (libpq, gRPC's core) keeps the right time.
"""

import ctypes
import datetime
import gc
import mmap
import struct
import sys
import time
from pathlib import Path
from types import SimpleNamespace

_FOLDER = Path(__file__).parent


def _shift_clock() -> None:
    with (_FOLDER / "seconds").open("rb") as file:
        seconds = mmap.mmap(file.fileno(), 8, prot=mmap.PROT_READ)
    right, right_seconds = time.time_ns, time.time

    def time_ns() -> int:
        return right() + int(struct.unpack("d", seconds[:8])[0] * 1e9)

    def now(kind: type[datetime.datetime], tz: datetime.tzinfo | None = None) -> datetime.datetime:
        return kind.fromtimestamp(time.time(), tz)

    time.time_ns = time_ns
    time.time = lambda: time_ns() / 1e9
    # It compares deadlines that its core has computed with what Python says; on a machine with a wrong clock both are wrong alike.
    from grpc._cython import cygrpc  # type: ignore[attr-defined]  # made by Cython

    cygrpc.time = SimpleNamespace(time=right_seconds)
    # The class itself is changed, behind its back: a class in its place would not be the one that C code and type checks know.
    methods = gc.get_referents(datetime.datetime.__dict__)[0]
    methods["now"] = classmethod(now)
    methods["utcnow"] = classmethod(lambda kind: now(kind, datetime.UTC).replace(tzinfo=None))
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(datetime.datetime))


if f"tocsin_{(_FOLDER / 'service').read_text()}.app" in " ".join(sys.orig_argv[:4]) and sys.orig_argv[-1] == "serve":
    _shift_clock()
