"""The catalogue of typed actions, as data: what each needs, what undoes it, and how much it can break."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class Blast(Enum):
    """What an action is done to, and so what is counted in the blast radius."""

    NOTHING = "nothing"
    HOST = "host"
    USER = "user"
    ADDRESS = "address"
    WORKLOAD = "workload"


class Weight(Enum):
    """How bad it is if an action was wrong."""

    # Nobody notices.
    LIGHT = "light"
    # Somebody cannot work.
    HEAVY = "heavy"
    # Something may be lost.
    GRAVE = "grave"


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument by its type, as CACAO names it, or one of a few words."""

    type: str = "string"
    required: bool = True
    choices: tuple[str, ...] = ()
    # Whether this argument names what the action is done to.
    subject: bool = False


@dataclass(frozen=True, slots=True)
class Action:
    """One action. `undo` is the action that takes it back, if there is one; only a reversible one can be undone by its connector.

    `timed`: it may have an end (`until`).
    """

    name: str
    summary: str
    arguments: Mapping[str, Argument]
    blast: Blast = Blast.NOTHING
    weight: Weight = Weight.LIGHT
    undo: str = ""
    reversible: bool = False
    timed: bool = False
    # There is nothing to take back: whatever it was done to is as before.
    harmless: bool = False
    verify: str = ""
    d3fend: tuple[str, ...] = field(default=())
    react: tuple[str, ...] = field(default=())

    @property
    def irreversible(self) -> bool:
        """Whether it hits something and cannot be taken back."""
        return self.blast is not Blast.NOTHING and not (self.reversible or self.harmless)


def action_of(command: Mapping[str, Any]) -> Action | None:
    """The action of a command; None if it is none of the catalogue."""
    return ACTIONS.get(command.get("action", "")) if command.get("type") == ACTION_TYPE else None


def undoable(command: Mapping[str, Any]) -> bool:
    """Whether what a command does can be undone by itself."""
    found = action_of(command)
    return found is not None and found.reversible


ACTION_TYPE = "tocsin-action"

_HOST = Argument(subject=True)
_USER = Argument(subject=True)
_OPTIONAL = Argument(required=False)
_DEPLOYMENT = {"deployment": Argument(subject=True), "namespace": _OPTIONAL, "cluster": _OPTIONAL}
_TICKET = {"ticket": Argument(subject=True), "resolution": _OPTIONAL}

_ALL = (
    Action(
        "isolate-host",
        "Cut a host off the network; its agent stays reachable",
        {"host": _HOST, "scope": Argument(required=False, choices=("full", "selective")), "reason": _OPTIONAL},
        Blast.HOST,
        Weight.HEAVY,
        undo="release-host",
        reversible=True,
        timed=True,
        verify="the agent's state, and a probe from outside",
        d3fend=("D3-NI",),
    ),
    Action(
        "release-host",
        "Let an isolated host back onto the network",
        {"host": _HOST, "reason": _OPTIONAL},
        Blast.HOST,
        Weight.HEAVY,
        undo="isolate-host",
        reversible=True,
        verify="the agent's state, and a probe from outside",
        d3fend=("D3-RNA",),
        react=("RA5101",),
    ),
    Action(
        "block-address",
        "Block an IP address or network at the edge of the network",
        {"address": Argument("address", subject=True), "list": _OPTIONAL, "reason": _OPTIONAL},
        Blast.ADDRESS,
        Weight.HEAVY,
        reversible=True,
        timed=True,
        verify="the list as its consumers fetch it",
        d3fend=("D3-NTF",),
        react=("RA3101",),
    ),
    Action(
        "block-domain",
        "Block a domain name in DNS or at the proxy",
        {"domain": Argument(subject=True), "list": _OPTIONAL, "reason": _OPTIONAL},
        Blast.ADDRESS,
        Weight.HEAVY,
        reversible=True,
        timed=True,
        verify="a query to every resolver",
        d3fend=("D3-DNSDL",),
        react=("RA3103",),
    ),
    Action(
        "block-hash",
        "Forbid a file to run, by its hash",
        {"hash": Argument("hash", subject=True), "reason": _OPTIONAL},
        Blast.NOTHING,
        Weight.HEAVY,
        reversible=True,
        timed=True,
        verify="the indicator as the endpoint agent lists it",
        d3fend=("D3-EDL",),
    ),
    Action(
        "disable-user",
        "Lock an account",
        {"user": _USER, "reason": _OPTIONAL},
        Blast.USER,
        Weight.HEAVY,
        reversible=True,
        timed=True,
        verify="the account's state in the directory",
        d3fend=("D3-AL",),
        react=("RA3601",),
    ),
    Action(
        "revoke-sessions",
        "Sign a user out everywhere",
        {"user": _USER, "reason": _OPTIONAL},
        Blast.USER,
        Weight.HEAVY,
        verify="the sign-in log",
        d3fend=("D3-ST", "D3-ANCI"),
    ),
    Action(
        "revoke-key",
        "Make an API key or token useless",
        {"key": Argument(subject=True), "user": _OPTIONAL, "reason": _OPTIONAL},
        Blast.USER,
        Weight.GRAVE,
        verify="a call with the key is refused",
        d3fend=("D3-CR",),
        react=("RA4601",),
    ),
    Action(
        "reset-password",
        "Make a password useless; the user has to choose a new one",
        {"user": _USER, "reason": _OPTIONAL},
        Blast.USER,
        Weight.GRAVE,
        verify="the account's state in the directory",
        d3fend=("D3-CRO",),
    ),
    Action(
        "kill-process",
        "End a process on a host",
        {"host": _HOST, "process": Argument(), "reason": _OPTIONAL},
        Blast.HOST,
        Weight.GRAVE,
        verify="the host's list of processes",
        d3fend=("D3-PT",),
    ),
    Action(
        "quarantine-file",
        "Take a file away from a host and keep it",
        {"host": _HOST, "hash": Argument("hash"), "path": _OPTIONAL, "reason": _OPTIONAL},
        Blast.HOST,
        Weight.GRAVE,
        timed=True,
        verify="the file is gone from the host",
        d3fend=("D3-FEV", "D3-CQ"),
        react=("RA3302",),
    ),
    Action(
        "snapshot",
        "Take a snapshot of a disk or a machine",
        {"host": Argument(), "reason": _OPTIONAL},
        verify="the snapshot is complete",
    ),
    Action(
        "restore-backup",
        "Restore data from a backup, beside what is there",
        {"backup": Argument(), "target": Argument(required=False, subject=True), "reason": _OPTIONAL},
        Blast.WORKLOAD,
        Weight.GRAVE,
        verify="the restore ended without errors",
        d3fend=("D3-RD",),
        react=("RA5002",),
    ),
    Action(
        "verify-integrity",
        "Compare what was restored with what it should be",
        {"target": Argument(), "expected": _OPTIONAL, "host": _OPTIONAL},
        verify="hashes of a sample",
    ),
    Action(
        "scale-deployment",
        "Set how many replicas a deployment has",
        {**_DEPLOYMENT, "replicas": Argument("integer")},
        Blast.WORKLOAD,
        Weight.HEAVY,
        reversible=True,
        timed=True,
        verify="the deployment's status",
    ),
    Action(
        "restart-deployment",
        "Restart every replica of a deployment, one after the other",
        _DEPLOYMENT,
        Blast.WORKLOAD,
        Weight.HEAVY,
        harmless=True,
        verify="the rollout is complete",
    ),
    Action(
        "rollback-deployment",
        "Put a deployment back to an earlier revision",
        {**_DEPLOYMENT, "revision": Argument("integer", required=False)},
        Blast.WORKLOAD,
        Weight.HEAVY,
        reversible=True,
        verify="the rollout is complete",
        d3fend=("D3-RC",),
    ),
    Action(
        "open-ticket",
        "Open a ticket",
        {"title": Argument(), "description": _OPTIONAL, "project": _OPTIONAL},
        reversible=True,
        undo="close-ticket",
        verify="the ticket can be read",
    ),
    Action("close-ticket", "Close a ticket", _TICKET, verify="the ticket's state"),
    Action("page-responder", "Page somebody", {"responder": Argument(), "message": Argument()}, verify="the page's receipt"),
    Action("post-update", "Tell an audience how things are", {"message": Argument(), "audience": _OPTIONAL}),
    Action(
        "create-task",
        "Make a task of the incident",
        {"title": Argument(), "description": _OPTIONAL, "owner": _OPTIONAL},
        reversible=True,
        verify="the incident's tasks",
    ),
    Action(
        "collect-evidence",
        "Bring files or an investigation package of a host into the evidence store",
        {"host": Argument(), "what": Argument(required=False, choices=("package", "memory", "triage", "logs")), "path": _OPTIONAL},
        verify="the SHA-256 of what arrived",
        react=("RA2311",),
    ),
)
ACTIONS: Mapping[str, Action] = {each.name: each for each in _ALL}
# The connectors that every runner brings along; each is to be set up before it can do anything.
CONNECTORS = (
    "aws",
    "blocklist",
    "crowdstrike",
    "defender",
    "entra",
    "github",
    "http",
    "jira",
    "kubernetes",
    "linux",
    "okta",
    "openc2",
    "servicenow",
    "tocsin",
    "velero",
    "wazuh",
)
