"""A wall clock that is wrong in one service: what a run does to `shifted/sitecustomize.py`."""

import importlib.resources
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class WrongClock:
    """The clock of `service`; `folder` holds what shifts it."""

    folder: Path
    service: str

    def install(self) -> Mapping[str, str]:
        """Put everything into the folder; returns the environment with which the installation is to start."""
        self.folder.mkdir()
        source = importlib.resources.files("tocsin_testkit.faults") / "shifted" / "sitecustomize.py"
        (self.folder / "sitecustomize.py").write_text(source.read_text())
        (self.folder / "service").write_text(self.service)
        (self.folder / "seconds").write_bytes(struct.pack("d", 0.0))
        return {"PYTHONPATH": os.pathsep.join(filter(None, (str(self.folder), os.environ.get("PYTHONPATH"))))}

    def shift(self, seconds: float) -> None:
        """From this moment on the service's clock is ahead by so much (behind, if negative)."""
        with (self.folder / "seconds").open("r+b") as file:  # in place: it is mapped
            file.write(struct.pack("d", seconds))
