"""`tocsin import`: move here from another on-call system."""

import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from tocsin_client.commands.files import lines, summary
from tocsin_client.commands.options import Reach
from tocsin_client.connection import Connection, NoConnection
from tocsin_client.errors import UsageError
from tocsin_client.later import later
from tocsin_client.screen import Screen, plain

if TYPE_CHECKING:
    from tocsin_client import configuration
    from tocsin_client.importing import api, folder, moving, report
else:
    configuration = later("tocsin_client.configuration")
    api = later("tocsin_client.importing.api")
    folder = later("tocsin_client.importing.folder")
    moving = later("tocsin_client.importing.moving")
    report = later("tocsin_client.importing.report")

DEFAULT_OUT = Path("tocsin-import")


@Parameter(name="*")
@dataclass(frozen=True)
class Wishes(Reach):
    """What every move has in common: where from, where to, how far back is compared, and whether anything is changed."""

    source: Annotated[
        Path | None,
        Parameter(
            name="--from",
            help="What was saved of the API instead of a live one: a JSON file, or a folder with users.json, schedules.json, ….",
        ),
    ] = None
    api_key_file: Annotated[Path | None, Parameter(help="File with the API key.")] = None
    keys: Annotated[
        Path | None,
        Parameter(help="YAML or JSON file with the integrations' keys by name, where the API does not tell them or they differ."),
    ] = None
    save: Annotated[Path | None, Parameter(help="Keep what was read in this file. It may hold integration keys.")] = None
    out: Annotated[Path, Parameter(help="The folder for the configuration, the names given, and the report.")] = DEFAULT_OUT
    days: Annotated[int, Parameter(help='How many days of "who was on call" are compared each way.')] = 90
    apply: Annotated[bool, Parameter(help="Change the platform after showing the plan.")] = False


WISHES = Wishes()


def opsgenie(*, url: str = "https://api.opsgenie.com", wishes: Wishes = WISHES) -> None:
    """Import users, teams, schedules, overrides, forwarding, escalations, routing, services, integrations and heartbeats of Opsgenie.

    Shows the plan and changes nothing unless --apply is given. Safe to repeat: the same things keep their names.
    The API key (GenieKey) is read from --api-key-file, else from $OPSGENIE_API_KEY.

    Parameters
    ----------
    url
        The API's address; https://api.eu.opsgenie.com in the EU.
    """
    move("opsgenie", url, wishes)


def jsm(*, site: str = "", url: str = "https://api.atlassian.com", wishes: Wishes = WISHES) -> None:
    """Import people, teams, schedules, overrides, forwarding, escalations, routing, integrations and heartbeats of Jira Service Management.

    Shows the plan and changes nothing unless --apply is given. Safe to repeat: the same things keep their names.
    The API key is read from --api-key-file, else from $JSM_API_KEY: an e-mail address, a colon and that account's API token.

    Parameters
    ----------
    site
        The Atlassian site, as in https://example.atlassian.net.
    url
        The address of Atlassian's operations API.
    """
    if wishes.source is None and not site:
        raise UsageError("--site: give the address of the Atlassian site, or --from what was saved of it")
    move("jsm", site, wishes, beside=url)


def pagerduty(*, url: str = "https://api.pagerduty.com", wishes: Wishes = WISHES) -> None:
    """Import users, teams, schedules, overrides, escalation policies, services and integrations (with their keys) of PagerDuty.

    Shows the plan and changes nothing unless --apply is given. Safe to repeat: the same things keep their names.
    The API key is read from --api-key-file, else from $PAGERDUTY_API_KEY.

    Parameters
    ----------
    url
        The API's address; https://api.eu.pagerduty.com in the EU.
    """
    move("pagerduty", url, wishes)


def grafana_oncall(*, url: str = "", wishes: Wishes = WISHES) -> None:
    """Import users, teams, schedules, shifts, escalation chains, routes and integrations of Grafana OnCall, or of Grafana Cloud IRM.

    Shows the plan and changes nothing unless --apply is given. Safe to repeat: the same things keep their names.
    The API key is read from --api-key-file, else from $GRAFANA_ONCALL_API_KEY.

    Parameters
    ----------
    url
        The OnCall API's address, without /api/v1.
    """
    if wishes.source is None and not url:
        raise UsageError("--url: give the address of the OnCall API, or --from what was saved of it")
    move("grafana-oncall", url, wishes)


def move(system: str, url: str, wishes: Wishes, beside: str = "") -> None:
    """Read, understand, compare and write; then say what would change, and change it if that is wanted."""
    if not 1 <= wishes.days <= 180:
        raise UsageError("--days: give 1 to 180")
    screen, now = Screen(), wishes.now
    archive = folder.read(wishes.source) if wishes.source is not None else _fetched(system, url, wishes, now, screen, beside)
    if wishes.save is not None:
        folder.save(archive, wishes.save)
    names = moving.read_names(wishes.out)
    connection = _connection(wishes)
    if connection is not None:
        moving.heed(names, configuration.present(connection))
    found = moving.understand(system, archive, names, now, _keys(wishes.keys), wishes.days)
    wanted = moving.write(found, names, wishes.out, now)
    _tell(screen, found, wishes.out)
    _plan(screen, wanted, connection, wishes.apply)


def _connection(wishes: Wishes) -> Connection | None:
    """The platform; None if nobody has said where it is, as long as nothing is to be changed."""
    try:
        return wishes.found()
    except NoConnection:
        if wishes.apply:
            raise
        return None


def _fetched(system: str, url: str, wishes: Wishes, now: datetime, screen: Screen, beside: str) -> dict[str, Any]:
    screen.say(f"Reading {url} …")
    client = api.Api(url, moving.SYSTEMS[system].headers(_api_key(system, wishes.api_key_file)), beside)
    reach = timedelta(days=wishes.days)
    try:
        return moving.fetch(system, client, now - reach, now + reach)
    finally:
        client.close()


def _api_key(system: str, file: Path | None) -> str:
    variable = f"{system.upper().replace('-', '_')}_API_KEY"
    if file is None:
        key = os.environ.get(variable, "").strip()
        if not key:
            raise UsageError(f"--api-key-file: give a file with the API key, or set {variable}; or read what was saved with --from")
        return key
    try:
        return file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise UsageError(f"--api-key-file: {file} cannot be read: {error.strerror}") from error


def _keys(file: Path | None) -> dict[str, str]:
    if file is None:
        return {}
    import yaml

    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise UsageError(f"--keys: {file}: {error}") from error
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise UsageError(f"--keys: {file} must have lines such as `Prometheus EU: 8f1e-…`, a name and its key in quotes where needed")
    return {str(name): value for name, value in found.items()}


def _tell(screen: Screen, found: "moving.Move", out: Path) -> None:
    kinds = sorted({document.kind for document in found.imported.documents})
    counts = ", ".join(f"{sum(each.kind == kind for each in found.imported.documents)} {kind}" for kind in kinds)
    screen.say(plain(f"Understood: {counts or 'nothing'}."))
    for title, compared in (("to come", found.coming), ("past", found.past)):
        for each in compared:
            share = "100 %" if each.share == 1.0 else f"{each.share * 100:.3f} %, {len(each.differences)} differences"
            screen.say(plain(f"  {each.schedule}: {share} of the {(each.until - each.since).days} days {title} agree"))
    screen.say(plain(f"{len(found.imported.lost)} things do not come over as they were. The report: {out / 'report.md'}"))


def _plan(screen: Screen, wanted: "configuration.Configurations", connection: Connection | None, apply: bool) -> None:
    if connection is None:
        screen.say("No platform is connected: the configuration was written and checked, and nothing was compared with what is there.")
        return
    planned = configuration.plan(connection, wanted)
    for line in lines(planned):
        screen.draw(line)
    screen.say(summary(planned))
    if not apply:
        screen.say("Nothing was changed. --apply does it.")
    elif any(change.action != "unchanged" for change in planned):
        configuration.apply(connection, wanted)
        screen.say("Applied.")
