"""`tocsin page rules`: how somebody wants to be paged; `tocsin contact add|remove`: over what. By hand, beside what files hold."""

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from tocsin_client import times
from tocsin_client.commands.options import DEFAULTS, Options
from tocsin_client.commands.page import named
from tocsin_client.errors import UsageError
from tocsin_client.later import later
from tocsin_client.screen import as_data, facts, grid, heading, stack

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import RenderableType
    from tocsin.communication.v1 import contact_service_pb2 as contacts
    from tocsin.communication.v1 import page_pb2 as page_contract
    from tocsin.communication.v1 import rules_pb2 as contract
    from tocsin.edge.v1 import edge_service_pb2 as edge

    from tocsin_client.client import Tocsin
else:
    contacts = later("tocsin.communication.v1.contact_service_pb2")
    page_contract = later("tocsin.communication.v1.page_pb2")
    contract = later("tocsin.communication.v1.rules_pb2")
    edge = later("tocsin.edge.v1.edge_service_pb2")

STEP = "CONTACT or CONTACT+DELAY, as in alice-sms or alice-voice+5m"


def show(responder: str = "", /, *, options: Options = DEFAULTS) -> None:
    """Show how somebody wants to be paged, and who says so.

    Parameters
    ----------
    responder
        Whose rules, by name; without it, your own.
    """
    with options.open() as tocsin:
        found = tocsin.contacts.GetPersonalRules(contacts.GetPersonalRulesRequest(responder=responder))
    if options.output == "table":
        options.screen.draw(drawn(found))
    else:
        options.screen.data(as_data(found))


def set_(
    *,
    high: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    low: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    quiet: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    days: str = "",
    zone: str = "",
    except_service: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    except_severity: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    hold_urgent: bool = False,
    responder: Annotated[str, Parameter(name="--for")] = "",
    options: Options = DEFAULTS,
) -> None:
    """Say how you want to be paged. What you say is all there is: it stands in the place of earlier rules, and before those in files.

    Parameters
    ----------
    high
        For what is urgent: CONTACT, or CONTACT+DELAY as in alice-voice+5m; may be given several times.
    low
        For what can wait, likewise; without it, as for what is urgent.
    quiet
        When what can wait is held back: 22:00-07:00; may be given several times.
    days
        The days on which quiet hours begin: MON,TUE; without it, every day.
    zone
        The time zone of the quiet hours, as in Europe/Berlin.
    except_service
        Incidents of this service come all the same; may be given several times.
    except_severity
        Incidents of this severity come all the same, as in SEV1; may be given several times.
    hold_urgent
        Hold back what is urgent too, but for the exceptions.
    responder
        Whose rules, by name: a manager sets anybody's; without it, your own.
    """
    rules = contract.PersonalRules(high=steps(high, "--high"), low=steps(low, "--low"))
    if quiet:
        if not zone:
            raise UsageError("--zone: quiet hours need a time zone, as in Europe/Berlin")
        window_days = [day.strip().upper() for day in days.split(",") if day.strip()]
        windows = [window(text, window_days) for text in quiet]
        severities = [severity.upper() for severity in except_severity]
        rules.quiet_hours.CopyFrom(
            contract.QuietHours(
                zone=zone, windows=windows, except_services=except_service, except_severities=severities, high_too=hold_urgent
            )
        )
    with options.open() as tocsin:
        rules.name = responder or me(tocsin)
        tocsin.contacts.SetPersonalRules(contacts.SetPersonalRulesRequest(rules=rules))
    options.screen.say(f"{rules.name} is paged so from now on; `tocsin page why {rules.name}` shows it.")


def reset(*, responder: Annotated[str, Parameter(name="--for")] = "", options: Options = DEFAULTS) -> None:
    """Forget the rules that were set by hand; those in files count again.

    Parameters
    ----------
    responder
        Whose rules, by name: a manager resets anybody's; without it, your own.
    """
    with options.open() as tocsin:
        left = tocsin.contacts.ResetPersonalRules(contacts.ResetPersonalRulesRequest(responder=responder))
    counts = "those in files count again" if left.HasField("rules") else "every contact method is used after its own delay"
    options.screen.say(f"Nothing is set by hand any more: {counts}.")


def add(
    kind: str,
    address: str,
    /,
    *,
    name: str = "",
    delay: str = "",
    responder: Annotated[str, Parameter(name="--for")] = "",
    options: Options = DEFAULTS,
) -> None:
    """Add a contact method of yours. It is used at once; confirm it, so that it counts as proven.

    Parameters
    ----------
    kind
        The channel: email, sms, voice, slack, telegram, ….
    address
        The mailbox, number, URL or id.
    name
        What it is called; without it, your name and the kind.
    delay
        How long after the summons it is used where no rule says otherwise: "5m"; without it, at once.
    responder
        Whom it reaches, by name: a manager adds anybody's; without it, you.
    """
    request = contacts.AddContactMethodRequest(
        kind=named(page_contract.ContactMethod.Kind, "KIND_", kind, "KIND"), address=address, name=name, responder=responder
    )
    if delay:
        request.delay.FromTimedelta(times.duration(delay, "--delay"))
    with options.open() as tocsin:
        added = tocsin.contacts.AddContactMethod(request).contact
    if options.output != "table":
        options.screen.data(as_data(added))
        return
    method = added.contact_method
    options.screen.say(f"{method.name} reaches {method.responder} from now on. Confirm it: tocsin contact confirm {method.name}")


def remove(name: str, /, *, options: Options = DEFAULTS) -> None:
    """Remove a contact method that was added by hand; one in a file is removed there.

    Parameters
    ----------
    name
        The contact method, by name.
    """
    with options.open() as tocsin:
        tocsin.contacts.RemoveContactMethod(contacts.RemoveContactMethodRequest(name=name))
    options.screen.say(f"{name} is removed.")


def me(tocsin: "Tocsin") -> str:
    """Who calls, by name."""
    return str(tocsin.edge.GetCaller(edge.GetCallerRequest()).caller.name)


def steps(texts: "Iterable[str]", argument: str) -> "list[contract.PersonalStep]":
    """The steps, each CONTACT or CONTACT+DELAY. UsageError names the argument."""
    found = []
    for text in texts:
        contact, plus, delay = text.partition("+")
        if not contact or (plus and not delay):
            raise UsageError(f"{argument}: {text!r} is not {STEP}")
        step = contract.PersonalStep(contact_method=contact)
        if delay:
            step.delay.FromTimedelta(times.duration(delay, argument))
        found.append(step)
    return found


def window(text: str, days: "Iterable[str]") -> "contract.QuietWindow":
    """One time of quiet, as in 22:00-07:00. UsageError if it is none."""
    begins, dash, ends = text.partition("-")
    if not dash:
        raise UsageError(f"--quiet: {text!r} is not a time such as 22:00-07:00")
    return contract.QuietWindow(begins=begins.strip(), ends=ends.strip(), days=days)


def drawn(found: "contacts.GetPersonalRulesResponse") -> "RenderableType":
    if not found.HasField("rules"):
        return facts({"rules": "none: every contact method is used after its own delay"})
    rules = found.rules
    said = f"set by {found.set_by} on {times.local(found, 'set_at')}" if found.set_by else "in files"
    if found.set_by and found.HasField("in_files"):
        said += "; those in files count again after `tocsin page rules reset`"
    parts: list[RenderableType] = [facts({"rules of": rules.name, "they are": said, "quiet": quiet_words(rules)})]
    for title, listed in (("Urgent", rules.high), ("What can wait", rules.low)):
        if listed:
            columns = {"CONTACT": lambda step: step.contact_method, "AFTER": lambda step: f"{step.delay.ToTimedelta()}"}
            parts += [heading(title), grid(list(listed), columns)]
    return stack(*parts)


def quiet_words(rules: "contract.PersonalRules") -> str:
    if not rules.HasField("quiet_hours"):
        return "never"
    quiet = rules.quiet_hours
    windows = ", ".join(f"{' '.join(each.days) or 'daily'} {each.begins}-{each.ends}" for each in quiet.windows)
    besides = ", ".join([*quiet.except_severities, *quiet.except_services])
    held = ", what is urgent too" if quiet.high_too else ""
    return f"{windows} ({quiet.zone}){held}" + (f", but not {besides}" if besides else "")
