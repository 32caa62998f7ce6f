"""What PagerDuty's Events API does beside events: it takes changes."""

from tocsin_detection.changes.changes import Changes
from tocsin_detection.intake.intake import HttpAnswer, Request
from tocsin_detection.intake.pagerduty import CHANGES, answer_change, read_change


class PagerDutyApi:
    """Takes changes at `/v2/change/enqueue`."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes

    async def serve(self, request: Request) -> HttpAnswer | None:
        """The answer to a change; None for an event."""
        if request.path.rstrip("/") != CHANGES:
            return None
        told = read_change(request)
        if isinstance(told, HttpAnswer):
            return told
        await self._changes.report(told)
        return answer_change()
