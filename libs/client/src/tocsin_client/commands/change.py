"""`tocsin change`: what was changed on purpose, shortly before something broke."""

from itertools import islice
from typing import TYPE_CHECKING

from tocsin_client import times
from tocsin_client.commands.options import DEFAULTS, Options
from tocsin_client.later import later

if TYPE_CHECKING:
    from tocsin.detection.v1 import change_service_pb2 as changes
else:
    changes = later("tocsin.detection.v1.change_service_pb2")


def list_(
    *, service: str = "", integration: str = "", since: str = "", until: str = "", limit: int = 50, options: Options = DEFAULTS
) -> None:
    """List changes, newest first. They are kept for 90 days.

    Parameters
    ----------
    service
        Only those of this service.
    integration
        Only those that came through this integration.
    since
        Only those that happened since then: ISO 8601, "2h ago".
    until
        Only those that happened before then.
    limit
        At most this many.
    """
    request = changes.ListChangesRequest(service=service, integration=integration, page_size=min(limit, 500))
    if since:
        request.since.FromDatetime(times.instant(since, options.now, "--since"))
    if until:
        request.until.FromDatetime(times.instant(until, options.now, "--until"))
    with options.open() as tocsin:
        found = list(islice(tocsin.changes_of(request), limit))
    options.screen.table(
        found,
        {
            "HAPPENED": lambda change: times.local(change, "happened_at"),
            "SERVICE": lambda change: change.service,
            "SUMMARY": lambda change: change.summary,
            "SOURCE": lambda change: change.source,
            "INTEGRATION": lambda change: change.integration,
            "MORE": lambda change: "\n".join(link.url for link in change.links),
        },
        nothing="No change is known.",
    )
