"""The `tocsin` command line: the list of its commands, their overview, and how a program ends.

The overview is printed from this list alone, so that `tocsin --help` loads neither grpc nor rich nor any command.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from tocsin_client.errors import TocsinError

HELP = {"--help", "-h"}
MODULE = "tocsin_client.commands"
USAGE_STATUS = 2
INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Command:
    """One command: the words that call it, where it is, and what it does. A default one also answers to its group's name alone."""

    words: str
    target: str
    summary: str
    default: bool = False


COMMANDS = (
    Command("up", "platform:up", "Start the whole platform on this machine"),
    Command("doctor", "platform:doctor", "Say what works, what does not, and how to mend it"),
    Command("apply", "files:apply", "Make the configuration like the given files, after showing the plan"),
    Command("export", "files:export", "Write the stored configuration as files"),
    Command("dump", "dump:dump", "Write everything that the platform holds as files of JSON"),
    Command("import opsgenie", "importing:opsgenie", "Move here from Opsgenie, or see what would come over"),
    Command("import jsm", "importing:jsm", "Move here from Jira Service Management's operations, or see what would come over"),
    Command("import pagerduty", "importing:pagerduty", "Move here from PagerDuty, or see what would come over"),
    Command("import grafana-oncall", "importing:grafana_oncall", "Move here from Grafana OnCall, or see what would come over"),
    Command("alert send", "alert:send", "Report that something is wrong"),
    Command("alert list", "alert:list_", "List alerts, newest first"),
    Command("alert show", "alert:show", "Show one alert and what was decided about it"),
    Command("alert explain", "alert:explain", "Say why an alert woke somebody, or did not"),
    Command("alert ack", "alert:ack", "Take an alert"),
    Command("alert snooze", "alert:snooze", "Put an alert aside for a while"),
    Command("alert resolve", "alert:resolve", "End an alert by hand"),
    Command("alert export", "alert:export", "Write alerts as JSON, one a line, however many there are"),
    Command("incident declare", "incident:declare", "Open an incident"),
    Command("incident list", "incident:list_", "List incidents, newest first"),
    Command("incident show", "incident:show", "Show one incident, its alerts and who was asked"),
    Command("incident ack", "incident:ack", "Take an incident; nobody else is woken for it"),
    Command("incident resolve", "incident:resolve", "End an incident"),
    Command("incident reopen", "incident:reopen", "Open a resolved incident again"),
    Command("incident severity", "incident:severity", "Say how bad an incident is now"),
    Command("incident type", "incident:type_", "Say which kind of trouble an incident is now"),
    Command("incident private", "incident:private", "Hide an incident from everybody but its members, or show it again"),
    Command("incident members", "incident:members", "Say who may know of a private incident, and change that"),
    Command("oncall now", "oncall:now", "Say who is on call, and why"),
    Command("oncall next", "oncall:following", "Say who is on call next, and who was before"),
    Command("oncall why", "oncall:why", "Say layer by layer why somebody is on call"),
    Command("oncall shifts", "oncall:shifts", "List who is on call for a schedule over a range, gaps included"),
    Command("oncall override add", "oncall:add_override", "Put somebody on call for a while"),
    Command("oncall override list", "oncall:list_overrides", "List overrides that have not ended"),
    Command("oncall override remove", "oncall:remove_override", "End an override at once"),
    Command("oncall render", "oncall_plan:render", "Show the shifts of a schedule, or of a file without any server"),
    Command("oncall gaps", "oncall_plan:gaps", "List when nobody is on call"),
    Command("oncall conflicts", "oncall_plan:conflicts", "List duties that clash with absences, holidays, other duties or rest"),
    Command("oncall fairness", "oncall_plan:fairness", "Show how hours, nights and weekends are shared"),
    Command("oncall history", "oncall_requests:history", "List who really was on call"),
    Command("oncall swap ask", "oncall_requests:ask_swap", "Ask somebody to take over duties; nothing changes yet"),
    Command("oncall swap take", "oncall_requests:take_swap", "Take over what was asked for"),
    Command("oncall swap cancel", "oncall_requests:cancel_swap", "Withdraw a swap"),
    Command("oncall swap list", "oncall_requests:list_swaps", "List swaps"),
    Command("oncall temporary add", "oncall_requests:add_temporary", "Replace a schedule for a while"),
    Command("oncall temporary list", "oncall_requests:list_temporaries", "List temporary schedules"),
    Command("oncall temporary remove", "oncall_requests:remove_temporary", "End a temporary schedule at once"),
    Command("oncall calendar put", "oncall_requests:put_calendar", "Keep a calendar of absences, holidays or duties"),
    Command("oncall calendar list", "oncall_requests:list_calendars", "List calendars"),
    Command("oncall calendar remove", "oncall_requests:remove_calendar", "Forget a calendar"),
    Command("oncall feed add", "oncall_requests:add_feed", "Make a secret link at which calendar programs read duties"),
    Command("oncall feed list", "oncall_requests:list_feeds", "List links"),
    Command("oncall feed remove", "oncall_requests:remove_feed", "End a link for good"),
    Command("command show", "command:show", "Show the command of an incident: phase, gates, roles, tasks, decisions"),
    Command("command phase", "command:phase", "Go to another phase, or say what keeps the incident from it"),
    Command("command role", "command:role", "Take a role, give it to somebody, or give it up"),
    Command("command handover", "command:handover", "Hand a role over, with a summary"),
    Command("command join", "command:join", "Say that you are at an incident"),
    Command("command bridge", "command:bridge", "Say where those who respond meet"),
    Command("command decide", "command:decide", "Keep what was decided, and why"),
    Command("command check", "command:check", "Tick an item of the checklist"),
    Command("command answer", "command:answer", "Answer a question of the plan"),
    Command("command update", "command:update", "Say that people were told how it goes"),
    Command("command task list", "command:tasks", "List tasks of an incident, or of all"),
    Command("command task add", "command:add_task", "Make a task with an owner and a due time"),
    Command("command task done", "command:finish_task", "Say that a task is done, cancelled, or to be done after all"),
    Command("command task give", "command:give_task", "Give a task to somebody else, or another due time"),
    Command("command plans", "command:plans", "List the plans by which incidents are gone through"),
    Command("command plan-template", "command:plan_template", "Print the plan that is shipped for a type of incident, as a file"),
    Command("command review", "command:review", "Say that you have read a plan and found it good"),
    Command("readiness", "command:readiness", "Say how ready teams and services are for their next incident"),
    Command("escalation now", "escalation:now", "Take the next step of an escalation now"),
    Command("escalation reassign", "escalation:reassign", "Ask somebody else from now on, or by another policy"),
    Command("escalation add", "escalation:add", "Ask somebody to help, beside those who were asked"),
    Command("escalation answer", "escalation:answer", "Say whether you come, when somebody asked for you"),
    Command("escalation stop", "escalation:stop", "Ask nobody else, though nobody has acknowledged"),
    Command("escalation confirm", "escalation:confirm", "Say that somebody is still at it"),
    Command("escalation simulate", "escalation:simulate", "Say who would get what, when and on which channel; nothing is sent"),
    Command("escalation audit", "escalation:audit", "Compare what should have fired with what did"),
    Command("evidence add", "evidence:add", "Put a file into custody"),
    Command("evidence list", "evidence:list_", "List the evidence of an incident"),
    Command("evidence show", "evidence:show", "Show an item and everything that was done with it"),
    Command("evidence download", "evidence:download", "Write the bytes of an item into a file"),
    Command("evidence custody", "evidence:custody", "Enter that somebody else has an item now"),
    Command("evidence hold", "evidence:hold", "Forbid the release of an item, or allow it again"),
    Command("evidence release", "evidence:release", "End the custody of an item, by two people"),
    Command("evidence verify", "evidence:verify", "Compute ledger and bytes anew, and name what was tampered with"),
    Command("evidence export", "evidence:export", "Write the evidence of an incident as a zip file that verifies by itself"),
    Command("playbook check", "playbook_files:check", "Say everything that is wrong with playbooks in files, before anything runs"),
    Command("playbook plan", "playbook_files:plan", "Show what a playbook would do; nothing is touched"),
    Command("playbook convert", "playbook_files:convert", "Print a playbook in the other form: CACAO or short"),
    Command("playbook list", "playbook:list_", "List the playbooks that are kept"),
    Command("playbook show", "playbook:show", "Print a playbook, or list its versions"),
    Command("playbook put", "playbook:put", "Keep a playbook from a file as its newest version"),
    Command("playbook run", "playbook:run", "Carry out a playbook, or only say what it would do"),
    Command("playbook runs", "playbook:runs", "List runs, newest first"),
    Command("playbook run-show", "playbook:run_show", "Show a run, step by step"),
    Command("playbook approvals", "playbook:approvals", "List what runs wait for people for"),
    Command("playbook approve", "playbook:approve", "Approve a step"),
    Command("playbook deny", "playbook:deny", "Deny a step"),
    Command("playbook answer", "playbook:answer", "Say what came of something that was done by hand"),
    Command("playbook pause", "playbook:pause", "Let nothing new of a run begin"),
    Command("playbook resume", "playbook:resume", "Let a run go on"),
    Command("playbook cancel", "playbook:cancel", "End a run; what was done stays done"),
    Command("playbook skip", "playbook:skip", "Go on as if a step had gone well"),
    Command("playbook rerun", "playbook:rerun", "Let a run that has ended go on from a step"),
    Command("playbook export", "playbook:export", "Print a run as a playbook with its results"),
    Command("playbook audit", "playbook:audit", "Find runs that nothing moves on"),
    Command("obligation list", "obligation:list_", "List what incidents have to be told to others, and until when"),
    Command("obligation start", "obligation:start", "Enter what was found out or decided, and start the clocks"),
    Command("obligation classify", "obligation:classify", "Classify an incident, or classify it anew"),
    Command("obligation preview", "obligation:preview", "Say which clocks would start; nothing is kept"),
    Command("obligation draft", "obligation:draft", "Print the text to begin a submission with"),
    Command("obligation submit", "obligation:submit", "Enter that an obligation was met"),
    Command("obligation waive", "obligation:waive", "Enter that an obligation need not be met"),
    Command("obligation pause", "obligation:pause", "Let a clock stand still, where its regime allows that"),
    Command("obligation resume", "obligation:resume", "Let a paused clock go on"),
    Command("obligation regimes", "obligation:regimes", "List the regimes and what they ask for"),
    Command("page send", "page:send", "Page one responder directly: `tocsin page RESPONDER MESSAGE`", default=True),
    Command("page list", "page:list_", "List pages and what became of them"),
    Command("page show", "page:show", "Show one page: what it says, and every attempt"),
    Command("page why", "page:why", "Say who would be paged how and when, and why; nothing is sent"),
    Command("page ack", "page:ack", "Answer a page: take what it is about"),
    Command("page pass", "page:pass_on", "Answer a page: ask the next one instead"),
    Command("page test", "page:test", "Send a page that is only a test"),
    Command("page status", "page:status", "Say whether pages go out, and over which channels"),
    Command("page stop", "page:stop", "Hold back every page of the installation"),
    Command("page resume", "page:resume", "Let pages go again"),
    Command("page rules show", "rules:show", "Show how somebody wants to be paged: `tocsin page rules`", default=True),
    Command("page rules set", "rules:set_", "Say how you want to be paged"),
    Command("page rules reset", "rules:reset", "Forget the rules that were set by hand"),
    Command("contact list", "contact:list_", "List contact methods and what is known of them"),
    Command("contact add", "rules:add", "Add a contact method of yours"),
    Command("contact remove", "rules:remove", "Remove a contact method that was added by hand"),
    Command("contact confirm", "contact:confirm", "Confirm a contact method: send a code, then give it"),
    Command("contact delegate", "contact:delegate", "Send somebody's pages to somebody else for a while"),
    Command("contact delegations", "contact:delegations", "List delegations"),
    Command("contact undelegate", "contact:undelegate", "End a delegation now"),
    Command("reach", "reach:reach", "Say who can be reached on two channels, and what is missing"),
    Command("measure list", "measure:list_", "List what was done to contain incidents and is in force"),
    Command("measure show", "measure:show", "Show one measure"),
    Command("measure record", "measure:record", "Enter a measure that was taken by hand"),
    Command("measure lift", "measure:lift", "Have a measure undone"),
    Command("measure confirm", "measure:confirm", "Say that a measure was undone by hand"),
    Command("measure keep", "measure:keep", "Decide that a measure stays"),
    Command("measure prolong", "measure:prolong", "Give a measure another end"),
    Command("measure report", "measure:report", "Say whether a measure still holds"),
    Command("measure verify", "measure:verify", "Have a runner look whether a measure still holds"),
    Command("guard try", "measure:guard", "Say whether guard rails would let an action be done now"),
    Command("proposal list", "containment:list_proposals", "List the playbooks that automations and plans propose"),
    Command("proposal accept", "containment:accept", "Start a playbook that is proposed"),
    Command("proposal decline", "containment:decline", "Decline a playbook that is proposed"),
    Command("recovery list", "containment:list_watches", "List the incidents whose return is looked out for"),
    Command("recovery watch", "containment:watch", "Look out for an incident's return"),
    Command("recovery end", "containment:unwatch", "Look out for an incident's return no more"),
    Command("blocklist lists", "containment:list_lists", "List the block lists, and who reads them"),
    Command("blocklist show", "containment:list_entries", "List what a block list holds"),
    Command("blocklist add", "containment:block", "Put an address, domain or hash on a list that devices read"),
    Command("blocklist remove", "containment:unblock", "Take a value off a list"),
    Command("blocklist link", "containment:link", "Make a secret link at which devices read a list"),
    Command("timeline", "look_back:timeline", "Tell what happened to an incident, fact by fact"),
    Command("review show", "look_back:review_", "Print the review of an incident: `tocsin review INCIDENT`", default=True),
    Command("review figures", "look_back:figures", "Show how fast incidents are taken and resolved"),
    Command("trace", "trace:trace", "Draw what an incident's requests went through, and how long each part took"),
    Command("sign-in-link", "access:sign_in_link", "Make a one-time link with which somebody signs in to the console"),
    Command("key create", "access:create_key", "Make an API key for a program"),
    Command("key list", "access:list_keys", "List API keys"),
    Command("key revoke", "access:revoke_key", "End an API key for good"),
    Command("silence add", "silence:add", "Hold back what matchers match, for a while"),
    Command("silence list", "silence:list_", "List silences"),
    Command("silence show", "silence:show", "Show one silence"),
    Command("silence edit", "silence:edit", "Change a silence"),
    Command("silence expire", "silence:expire", "End a silence now"),
    Command("maintenance add", "maintenance:add", "Plan work that shall wake nobody"),
    Command("maintenance list", "maintenance:list_", "List maintenance windows, and when they are open next"),
    Command("maintenance end", "maintenance:end", "Close a maintenance window now"),
    Command("maintenance remove", "maintenance:remove", "Forget a maintenance window"),
    Command("simulate", "simulate:simulate", "Try other rules on the alerts of the past; nothing is sent"),
    Command("heartbeat list", "heartbeat:list_", "List heartbeats, and which of them are late"),
    Command("heartbeat show", "heartbeat:show", "Show one heartbeat"),
    Command("heartbeat add", "heartbeat:add", "Expect something to report in regularly"),
    Command("heartbeat ping", "heartbeat:ping", "Report in"),
    Command("heartbeat enable", "heartbeat:enable", "Switch a heartbeat on"),
    Command("heartbeat disable", "heartbeat:disable", "Switch a heartbeat off"),
    Command("heartbeat remove", "heartbeat:remove", "Remove a heartbeat for good"),
    Command("change list", "change:list_", "List what was changed on purpose, newest first"),
    Command("integration list", "integration:list_", "List the doors through which senders report"),
    Command("integration rotate", "integration:rotate", "Give an integration a new key; the old one stops at once"),
    Command("integration import-key", "integration:import_key", "Let a key that its senders have already open an integration"),
    Command("integration secret", "integration:secret", "Give an integration a secret by which its sender signs"),
    Command("integration preview", "integration:preview", "Show what a sender's sample would become"),
)
GROUPS = {
    "import": "Move here from another on-call system",
    "alert": "Report, find, take, put aside and end alerts",
    "incident": "Open, take, end and list incidents",
    "command": "Lead people through an incident",
    "command task": "What is to be done, by whom, until when",
    "oncall": "Who is on call when, and overrides",
    "oncall override": "Put somebody else on call for a while",
    "oncall swap": "Duties that somebody else is asked to take over",
    "oncall temporary": "Shifts that replace a schedule for a while",
    "oncall calendar": "Calendars of absences, holidays and duties",
    "oncall feed": "Secret links for calendar programs",
    "escalation": "Who is asked about an incident, in which order",
    "evidence": "Evidence in custody, and the ledger of what is done with it",
    "playbook": "What is done about incidents, step by step",
    "obligation": "What incidents have to be told to others, and until when",
    "page": "Page people, and see what became of pages",
    "page rules": "How you want to be paged",
    "contact": "How responders are reached, and who takes their pages",
    "measure": "What was done to contain incidents, until it is lifted",
    "guard": "What no action may do",
    "proposal": "Playbooks that automations and plans propose",
    "recovery": "The return of incidents",
    "blocklist": "Lists that firewalls and resolvers read here",
    "review": "Look back at incidents",
    "key": "API keys of programs",
    "silence": "Hold alerts back for a while",
    "maintenance": "Windows in which planned work wakes nobody",
    "heartbeat": "What is expected to report in regularly",
    "change": "What was changed on purpose",
    "integration": "Doors through which senders report",
}
FOOT = """\
Options of every command that asks the platform:
  --connection FILE   the connection.json to use; else $TOCSIN_CONNECTION, else $TOCSIN_GRPC with $TOCSIN_API_KEY,
                      else ~/.local/share/tocsin/connection.json, else .tocsin/connection.json
  -o, --output        table (default), json or yaml

INCIDENT is a number (12) or an id. `tocsin COMMAND --help` tells more.
Exit status: 0 done, 1 failed, 2 wrong usage or input, 3 not signed in, 4 not allowed,
5 not found, 6 conflict, 7 unreachable, 8 too slow, 9 overloaded."""


def main() -> None:
    """The console script."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Do what the arguments say; returns the exit status."""
    words = [word for word in arguments if word not in HELP]
    if is_overview(" ".join(words), asked=len(words) < len(arguments)):
        print(overview(" ".join(words)))
        return 0
    if list(arguments) == ["--version"]:
        print(version())
        return 0
    return finish(arguments)


def is_overview(words: str, asked: bool) -> bool:
    """True if the words name a group, or nothing: such a line can only ask what there is."""
    group = words in GROUPS or not words
    return group and (asked or not any(command.default and command.words.startswith(f"{words} ") for command in COMMANDS))


def spelled_out(arguments: Sequence[str]) -> list[str]:
    """The arguments with the word that may be left out: `page alice …` is `page send alice …`."""
    given = list(arguments)
    for command in COMMANDS:
        group, _, name = command.words.rpartition(" ")
        words = group.split()
        if command.default and given[: len(words)] == words and " ".join(given[len(words) : len(words) + 1]) not in below(group):
            return [*words, name, *given[len(words) :]]
    return given


def overview(group: str) -> str:
    lines = [
        f"Usage: {' '.join(filter(None, ['tocsin', group]))} COMMAND …",
        "",
        GROUPS.get(group, "Tocsin: open incident response") + ".",
        "",
    ]
    entries = below(group)
    width = max(map(len, entries)) + 3
    lines += [f"  {name:<{width}}{summary}" for name, summary in entries.items()]
    return "\n".join([*lines, "", FOOT])


def below(group: str) -> dict[str, str]:
    """What stands directly below a group, in the order of the list: commands and groups with their summaries."""
    start = f"{group} " if group else ""
    entries: dict[str, str] = {}
    for command in COMMANDS:
        if command.words.startswith(start):
            name = command.words.removeprefix(start).split(" ")[0]
            entries.setdefault(name, GROUPS.get(start + name, command.summary))
    return entries


def version() -> str:
    from importlib.metadata import version as version_of

    return f"tocsin {version_of('tocsin-client')}"


def finish(arguments: Sequence[str]) -> int:
    """Run one command and turn every way in which it can end into an exit status."""
    from cyclopts import CycloptsError

    from tocsin_client.parser import build_app

    try:
        build_app()(spelled_out(arguments), exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        return complain(
            f"{error}".strip(), f"`tocsin {' '.join(error.command_chain or ())}".rstrip() + " --help` tells more.", USAGE_STATUS
        )
    except TocsinError as error:
        return complain(str(error), "", error.exit_code)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        return leave_pipe()
    return 0


def complain(message: str, hint: str, status: int) -> int:
    from tocsin_client.screen import plain

    print(plain("\n".join(filter(None, [f"tocsin: {message}", hint]))), file=sys.stderr)
    return status


def leave_pipe() -> int:
    """The reader has seen enough (`| head`): nothing may be written any more, not even when Python flushes at its end."""
    import os

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0
