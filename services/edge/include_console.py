"""Puts the built console into the wheel, where it was built before the wheel is."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class IncludeConsole(BuildHookInterface):
    """Without a build of the console the wheel has none, and the edge says so on its page."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        built = Path(self.root) / "console" / "dist"
        if version == "standard" and built.is_dir():
            build_data["force_include"][str(built)] = "tocsin_edge/console_dist"
