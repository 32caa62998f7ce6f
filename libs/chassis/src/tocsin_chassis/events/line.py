"""Whether the broker is in reach, and whom to tell when that changes."""

import asyncio
from collections.abc import Callable


class Line:
    """The connection to the broker, as those see it who talk over it. What they say while it is lost leaves when it is back."""

    def __init__(self) -> None:
        self._up = asyncio.Event()
        self._up.set()
        self._on_loss: list[Callable[[], None]] = []
        self._on_return: list[Callable[[], None]] = []

    @property
    def is_up(self) -> bool:
        """It was not lost, or is back."""
        return self._up.is_set()

    def on_loss(self, tell: Callable[[], None]) -> None:
        """Tell whenever it is lost: no answer comes to what was asked before."""
        self._on_loss.append(tell)

    def on_return(self, tell: Callable[[], None]) -> None:
        """Tell whenever it is back: the broker knows of no pull that was asked for before."""
        self._on_return.append(tell)

    async def up(self) -> None:
        """Wait until it is there."""
        await self._up.wait()

    def lost(self) -> None:
        """The connection ended."""
        self._up.clear()
        for tell in self._on_loss:
            tell()

    def returned(self) -> None:
        """There is another connection."""
        self._up.set()
        for tell in self._on_return:
            tell()
