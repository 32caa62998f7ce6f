"""What became of pages is kept, and told to others."""

from datetime import datetime

from tocsin_chassis.postgres.database import Tx
from tocsin_communication import wire
from tocsin_communication.pages import store
from tocsin_communication.pages.page import Page
from tocsin_kernel.decision import Decision


async def tell(tx: Tx, decision: Decision[Page], at: datetime) -> None:
    """Keep what became of a page, and tell others. If another attempt was begun since, nothing is told."""
    if await store.save_all(tx, [decision.state]):
        emit(tx, decision, at)


def emit(tx: Tx, decision: Decision[Page], at: datetime) -> None:
    """Tell what became of a page."""
    page = decision.state
    for told in decision.facts:
        tx.emit(wire.fact_of(told, page, at), aggregate=page.incident_id or page.id, version=page.version)
