"""Every connector against its twin, by the one suite that all of them pass."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import asyncssh
import pytest
from connector_conformance import Case, ConnectorConformance
from connector_conformance import house as opened

from tocsin_playbook.catalogue import ACTIONS
from tocsin_runner.assignment import State
from tocsin_runner.connectors.catalogue import Catalogue
from tocsin_runner.connectors.signature import signed
from tocsin_runner.http import Request
from tocsin_runner.twins.all import everything
from tocsin_runner.twins.aws import AwsTwin
from tocsin_runner.twins.blocklist import BlocklistTwin
from tocsin_runner.twins.crowdstrike import CrowdstrikeTwin
from tocsin_runner.twins.defender import DefenderTwin
from tocsin_runner.twins.entra import EntraTwin
from tocsin_runner.twins.github import GithubTwin
from tocsin_runner.twins.http import HttpTwin
from tocsin_runner.twins.jira import JiraTwin
from tocsin_runner.twins.kubernetes import KubernetesTwin
from tocsin_runner.twins.linux import PAYLOAD, LinuxTwin
from tocsin_runner.twins.okta import OktaTwin
from tocsin_runner.twins.openc2 import Openc2Twin
from tocsin_runner.twins.servicenow import ServicenowTwin
from tocsin_runner.twins.tocsin import TocsinTwin
from tocsin_runner.twins.velero import VeleroTwin
from tocsin_runner.twins.wazuh import WazuhTwin

LAPTOP = f"{1:040x}"
SHA1 = "3395856ce81f2b7382dee72602f798b642f14140"


def defender_offline(twin):
    twin.machines[LAPTOP]["online"] = False


def defender_online(twin):
    twin.machines[LAPTOP]["online"] = True


def defender_isolated(twin):
    twin.settle()
    return twin.isolated(LAPTOP)


def isolated_machine(clock):
    twin = DefenderTwin(clock)
    twin.act(LAPTOP, "Isolate", "analyst")
    clock.forward(60)
    twin.settle()
    return twin


def contained_host(clock):
    twin = CrowdstrikeTwin(clock)
    twin.hosts["aid1"]["status"] = "contained"
    return twin


def defender_foreign(twin):
    """An analyst releases the machine and isolates it again: now it is hers."""
    for kind in ("Unisolate", "Isolate"):
        twin.act(LAPTOP, kind, "analyst")
        twin.clock.forward(60)
        twin.settle()


def defender_collected(twin):
    twin.settle()
    return any(action["type"] == "CollectInvestigationPackage" and action["status"] == "Succeeded" for action in twin.actions)


def velero_restored(twin):
    twin.settle()
    return any(restore["status"]["phase"] == "Completed" for restore in twin.restores.values())


def okta_foreign(twin):
    """Somebody lets the user in and suspends it anew: now it is theirs."""
    twin.become("00u1", "ACTIVE")
    twin.become("00u1", "SUSPENDED")


def github_issue(twin):
    return next(issue for issue in twin.issues if issue["number"] == 101)


def github_closed_again(twin):
    twin.change(github_issue(twin), {"state": "open"})
    twin.change(github_issue(twin), {"state": "closed", "state_reason": "not_planned"})


def github_other_key(twin):
    twin.keys.append({"id": 9, "title": "ci", "key": "ssh-ed25519 BBBB", "read_only": True})


def opened_here(twin):
    return any(issue["title"] == "db-1 is down" and issue["state"] == "open" for issue in twin.issues)


def jira_opened(twin):
    return any(issue["summary"] == "db-1 is down" and issue["status"] != "5" for issue in twin.issues.values())


def record(twin):
    return next(iter(twin.records.values()))


def record_opened(twin):
    return any(record.get("short_description") == "db-1 is down" and record["state"] != "8" for record in twin.records.values())


def contained(twin):
    twin.settle()
    return twin.hosts["aid1"]["status"] == "contained"


def blocked_again(twin):
    twin.tell("001", "203.0.113.7", "651")
    twin.clock.forward(60)
    twin.settle()


def checkout(twin):
    twin.settle()
    return twin.deployments["checkout"]


def replicas(twin):
    return checkout(twin)["spec"]["replicas"], checkout(twin)["status"]["replicas"]


def image(twin):
    return checkout(twin)["spec"]["template"]["spec"]["containers"][0]["image"]


def restarted(twin):
    whole = checkout(twin)["status"]["observedGeneration"] == checkout(twin)["metadata"]["generation"]
    return whole and "tocsin.dev/action" in checkout(twin)["spec"]["template"]["metadata"].get("annotations", {})


def closed(twin):
    return twin.nodes["node-1"]["spec"].get("unschedulable", False)


def cordoned_by_another(twin):
    twin.nodes["node-1"]["metadata"]["annotations"]["tocsin.dev/action"] = "another"


def quarantined(twin):
    return bool(twin.policies) and twin.pods["checkout-x"]["metadata"]["labels"].get("tocsin.dev/quarantine") == "checkout-x"


def listed(twin):
    return any(entry in twin.lists[name] for name, entry in (("addresses", "203.0.113.0/24"), ("domains", "evil.example")))


DEPLOYMENT = {"namespace": "shop", "deployment": "checkout"}
TICKET = {"title": "db-1 is down", "description": 'See "the incident" \n<!-- x -->'}


def defender_released(twin):
    """An analyst releases the machine once more: now it is her release."""
    twin.act(LAPTOP, "Unisolate", "analyst")
    twin.clock.forward(60)
    twin.settle()


def rolled_out(twin, replicas):
    twin.patch("checkout", {"spec": {"replicas": replicas}})
    twin.clock.forward(60)


class Linux(LinuxTwin):
    """Somebody may sign in with a key that is made here."""


def linux(clock):
    twin = Linux(clock)
    twin.client = asyncssh.generate_private_key("ssh-ed25519")
    twin.authorized = twin.client.export_public_key().decode()
    return twin


def by_ssh(twin, folder):
    for name, text in (("private_key", twin.client.export_private_key().decode()), ("host_keys", twin.host_key)):
        (folder / name).write_text(text)
    return {"port": str(twin.port), "probe": "127.0.0.1", "hosts": "127.0.0.*, localhost", "user": "root"}


def at(twin):
    return twin.machine("127.0.0.1")


def file_back_in_quarantine(twin):
    """Somebody brings it back and takes it away anew: now it is theirs."""
    at(twin)["quarantine"][PAYLOAD]["by"] = "another"


CASES = [
    Case(
        "defender",
        "isolate-host",
        DefenderTwin,
        {"host": "laptop-7"},
        ("POST", "/isolate$"),
        defender_isolated,
        refuse=lambda twin: twin.machines[LAPTOP].update(healthStatus="Inactive"),
        foreign=defender_foreign,
        offline=defender_offline,
        online=defender_online,
        exact=lambda twin: (twin.settle(), twin.isolated(LAPTOP))[1],
        token=True,
    ),
    Case(
        "defender",
        "collect-evidence",
        DefenderTwin,
        {"host": "laptop-7"},
        ("POST", "/collectInvestigationPackage$"),
        defender_collected,
        refuse=lambda twin: twin.machines[LAPTOP].update(healthStatus="Inactive"),
        offline=defender_offline,
        online=defender_online,
        lasting=False,
        token=True,
    ),
    Case(
        "defender",
        "quarantine-file",
        DefenderTwin,
        {"host": "laptop-7", "hash": SHA1},
        ("POST", "/StopAndQuarantineFile$"),
        lambda twin: (twin.settle(), twin.quarantined())[1] == [SHA1],
        refuse=lambda twin: twin.machines[LAPTOP].update(healthStatus="Inactive"),
        offline=defender_offline,
        online=defender_online,
        token=True,
    ),
    Case(
        "linux",
        "kill-process",
        linux,
        {"host": "127.0.0.1", "process": "xmrig"},
        ("RUN", "kill-process execute"),
        lambda twin: "4711" not in at(twin)["processes"],
        by_http=False,
        connect=by_ssh,
    ),
    Case(
        "linux",
        "quarantine-file",
        linux,
        {"host": "127.0.0.1", "path": "/opt/payload", "hash": PAYLOAD},
        ("RUN", "quarantine-file execute"),
        lambda twin: PAYLOAD in at(twin)["quarantine"] and not at(twin)["files"],
        refuse=lambda twin: at(twin)["files"]["/opt/payload"].update(sum="0" * 64),
        foreign=file_back_in_quarantine,
        exact=lambda twin: (at(twin)["files"], at(twin)["quarantine"]),
        by_http=False,
        connect=by_ssh,
        vary=lambda twin, random: at(twin)["files"]["/opt/payload"].update(mode=f"{random.choice([644, 755])} 0:{random.randint(0, 9)} 17"),
    ),
    Case(
        "linux",
        "collect-evidence",
        linux,
        {"host": "127.0.0.1"},
        ("RUN", "collect-evidence execute"),
        lambda twin: bool(at(twin)["evidence"]),
        lasting=False,
        by_http=False,
        connect=by_ssh,
    ),
    Case(
        "velero",
        "restore-backup",
        VeleroTwin,
        {"backup": "latest-clean", "target": "finance"},
        ("POST", "/restores$"),
        velero_restored,
        refuse=lambda twin: twin.backups["latest-clean"]["status"].update(phase="PartiallyFailed"),
        lasting=False,
    ),
    Case(
        "okta",
        "disable-user",
        OktaTwin,
        {"user": "ada"},
        ("POST", "/suspend$"),
        lambda twin: twin.users["00u1"]["status"] == "SUSPENDED",
        refuse=lambda twin: twin.become("00u1", "DEPROVISIONED"),
        foreign=okta_foreign,
        exact=lambda twin: twin.users["00u1"]["status"],
        vary=lambda twin, random: twin.become("00u1", random.choice(["ACTIVE", "SUSPENDED"])),
    ),
    Case(
        "okta",
        "revoke-sessions",
        OktaTwin,
        {"user": "ada"},
        ("DELETE", "/sessions$"),
        lambda twin: twin.sessions["00u1"] == 0,
        lasting=False,
    ),
    Case(
        "okta",
        "reset-password",
        OktaTwin,
        {"user": "ada"},
        ("POST", "/expire_password$"),
        lambda twin: twin.users["00u1"]["status"] == "PASSWORD_EXPIRED",
        refuse=lambda twin: twin.become("00u1", "DEPROVISIONED"),
    ),
    Case(
        "entra",
        "disable-user",
        EntraTwin,
        {"user": "ada@example.org"},
        ("PATCH", "/users/"),
        lambda twin: not twin.users["user-1"]["accountEnabled"],
        refuse=lambda twin: twin.users["user-1"].update(onPremisesSyncEnabled=True),
        foreign=lambda twin: twin.change("user-1", accountEnabled=False),
        exact=lambda twin: twin.users["user-1"],
        token=True,
        vary=lambda twin, random: twin.change("user-1", accountEnabled=random.choice([True, False])),
    ),
    Case(
        "entra",
        "revoke-sessions",
        EntraTwin,
        {"user": "ada@example.org"},
        ("POST", "/revokeSignInSessions$"),
        lambda twin: len(twin.audits) > 0,
        lasting=False,
        token=True,
    ),
    Case(
        "entra",
        "reset-password",
        EntraTwin,
        {"user": "ada@example.org"},
        ("PATCH", "/users/"),
        lambda twin: twin.users["user-1"].get("forceChange") is True,
        refuse=lambda twin: twin.users["user-1"].update(onPremisesSyncEnabled=True),
        lasting=False,
        token=True,
    ),
    Case(
        "http",
        "set-resource",
        HttpTwin,
        {"collection": "flags", "name": "checkout", "value": {"enabled": False}},
        ("PUT", "/flags/checkout$"),
        lambda twin: twin.documents["flags/checkout"] == {"enabled": False},
        refuse=lambda twin: twin.documents.clear(),
        foreign=lambda twin: twin.documents.update({"flags/checkout": {"enabled": False, "by": "ada"}}),
        exact=lambda twin: twin.documents["flags/checkout"],
        vary=lambda twin, random: twin.documents.update({"flags/checkout": {"enabled": True, "by": random.random()}}),
    ),
    Case(
        "github",
        "open-ticket",
        GithubTwin,
        dict(TICKET),
        ("POST", "/issues$"),
        opened_here,
        foreign=lambda twin: twin.issues[-1].update(comments=1),
        lasting=False,
    ),
    Case(
        "github",
        "close-ticket",
        GithubTwin,
        {"ticket": 101},
        ("PATCH", "/issues/101$"),
        lambda twin: github_issue(twin)["state"] == "closed",
        refuse=lambda twin: twin.issues.clear(),
        foreign=github_closed_again,
        exact=lambda twin: github_issue(twin)["state"],
    ),
    Case(
        "github",
        "revoke-key",
        GithubTwin,
        {"key": "ci"},
        ("DELETE", "/keys/"),
        lambda twin: all(key["key"] != "ssh-ed25519 AAAAC3Nz ci" for key in twin.keys),
        refuse=lambda twin: github_other_key(twin),
        foreign=github_other_key,
        exact=lambda twin: [{name: value for name, value in key.items() if name != "id"} for key in twin.keys],
    ),
    Case(
        "jira",
        "open-ticket",
        JiraTwin,
        {"project": "SHOP", **TICKET},
        ("POST", "/issue$"),
        jira_opened,
        foreign=lambda twin: twin.issues["SHOP-2"].update(comments=1),
        lasting=False,
    ),
    Case(
        "jira",
        "close-ticket",
        JiraTwin,
        {"ticket": "SHOP-1"},
        ("POST", "/transitions$"),
        lambda twin: twin.issues["SHOP-1"]["status"] == "5",
        refuse=lambda twin: twin.ways.update({"1": ["3"]}),
        foreign=lambda twin: (twin.move("SHOP-1", "3"), twin.move("SHOP-1", "5")),
        exact=lambda twin: twin.issues["SHOP-1"]["status"],
    ),
    Case(
        "tocsin",
        "page-responder",
        TocsinTwin,
        {"responder": "ada", "message": "The database does not answer"},
        ("POST", "/AddResponder$"),
        lambda twin: [each["responder"] for each in twin.summonses] == ["ada"],
        lasting=False,
    ),
    Case(
        "tocsin",
        "post-update",
        TocsinTwin,
        {"message": "The host is isolated"},
        ("POST", "/NoteUpdate$"),
        lambda twin: [each["fact"] for each in twin.timeline] == ["UpdateNoted"],
        lasting=False,
    ),
    Case(
        "tocsin",
        "create-task",
        TocsinTwin,
        {"title": "Call the bank"},
        ("POST", "/AddTask$"),
        lambda twin: any(task["state"] == "STATE_OPEN" for task in twin.tasks),
        foreign=lambda twin: twin.tasks[-1].update(state="STATE_COMPLETED", closedBy="ada"),
        exact=lambda twin: [task for task in twin.tasks if task["state"] != "STATE_CANCELLED"],
        lasting=False,
    ),
    Case(
        "servicenow",
        "open-ticket",
        ServicenowTwin,
        dict(TICKET),
        ("POST", "/incident$"),
        record_opened,
        foreign=lambda twin: twin.change(list(twin.records.values())[-1], {"work_notes": "on it"}),
        lasting=False,
    ),
    Case(
        "servicenow",
        "close-ticket",
        ServicenowTwin,
        {"ticket": "INC0010001"},
        ("PATCH", "/incident/"),
        lambda twin: record(twin)["state"] == "6",
        refuse=lambda twin: record(twin).update(state="8"),
        foreign=lambda twin: twin.change(record(twin), {"state": "7"}),
        exact=lambda twin: record(twin)["state"],
    ),
    Case(
        "crowdstrike",
        "isolate-host",
        CrowdstrikeTwin,
        {"host": "aid1"},
        ("POST", "/devices-actions/"),
        contained,
        refuse=lambda twin: twin.hosts["aid1"].update(status="lift_containment_pending", online=False),
        foreign=lambda twin: twin.hosts["aid1"].update(status="lift_containment_pending", online=False),
        offline=lambda twin: twin.hosts["aid1"].update(online=False),
        online=lambda twin: twin.hosts["aid1"].update(online=True),
        exact=lambda twin: (twin.settle(), twin.hosts["aid1"]["status"])[1],
        token=True,
    ),
    Case(
        "crowdstrike",
        "kill-process",
        CrowdstrikeTwin,
        {"host": "aid1", "process": "4711"},
        ("POST", "/active-responder-command/v1$"),
        lambda twin: "4711" not in twin.processes["aid1"],
        refuse=lambda twin: twin.hosts.clear(),
        token=True,
    ),
    Case(
        "wazuh",
        "block-address",
        WazuhTwin,
        {"address": "203.0.113.7", "reason": "brute force"},
        ("PUT", "/active-response$"),
        lambda twin: twin.blocked("001", "203.0.113.7"),
        refuse=lambda twin: twin.agents["001"].update(status="never_connected"),
        foreign=blocked_again,
        exact=lambda twin: twin.blocked("001", "203.0.113.7"),
        token=True,
    ),
    Case(
        "kubernetes",
        "scale-deployment",
        KubernetesTwin,
        {**DEPLOYMENT, "replicas": 0},
        ("PATCH", "/scale$"),
        lambda twin: replicas(twin) == (0, 0),
        refuse=lambda twin: twin.deployments.clear(),
        foreign=lambda twin: twin.patch("checkout", {"spec": {"replicas": 5}}),
        exact=replicas,
        vary=lambda twin, random: rolled_out(twin, random.randint(0, 9)),
    ),
    Case(
        "kubernetes",
        "restart-deployment",
        KubernetesTwin,
        dict(DEPLOYMENT),
        ("PATCH", "/deployments/checkout$"),
        restarted,
        refuse=lambda twin: twin.deployments.clear(),
        lasting=False,
    ),
    Case(
        "kubernetes",
        "rollback-deployment",
        KubernetesTwin,
        dict(DEPLOYMENT),
        ("PATCH", "/deployments/checkout$"),
        lambda twin: image(twin) == "shop:1.0",
        refuse=lambda twin: twin.sets.clear(),
        foreign=lambda twin: twin.patch("checkout", {"spec": {"replicas": 5}}),
        exact=lambda twin: (checkout(twin)["spec"], replicas(twin)),
    ),
    Case(
        "kubernetes",
        "cordon-node",
        KubernetesTwin,
        {"node": "node-1"},
        ("PATCH", "/nodes/"),
        closed,
        refuse=lambda twin: twin.nodes.clear(),
        foreign=cordoned_by_another,
        exact=lambda twin: (twin.nodes["node-1"]["spec"], twin.nodes["node-1"]["metadata"]["annotations"]),
        vary=lambda twin, random: twin.nodes["node-1"].update(spec=random.choice([{"unschedulable": True}, {}])),
    ),
    Case(
        "kubernetes",
        "quarantine-pod",
        KubernetesTwin,
        {"namespace": "shop", "pod": "checkout-x"},
        ("POST", "/networkpolicies$"),
        quarantined,
        refuse=lambda twin: twin.pods.clear(),
        foreign=lambda twin: next(iter(twin.policies.values()))["metadata"]["annotations"].update({"tocsin.dev/action": "another"}),
        exact=lambda twin: (list(twin.policies), twin.pods["checkout-x"]["metadata"]["labels"]),
    ),
    Case(
        "blocklist",
        "block-address",
        BlocklistTwin,
        {"address": "203.0.113.0/24"},
        ("POST", "/AddBlockEntry$"),
        listed,
        foreign=lambda twin: twin.put("addresses", "203.0.113.0/24", {"comment": "another"}),
        exact=lambda twin: twin.lists,
    ),
    Case(
        "blocklist",
        "block-domain",
        BlocklistTwin,
        {"domain": "Evil.example"},
        ("POST", "/AddBlockEntry$"),
        listed,
        refuse=lambda twin: twin.protected.add("evil.example"),
        foreign=lambda twin: twin.put("domains", "evil.example", {"comment": "another"}),
        exact=lambda twin: twin.lists,
    ),
    Case(
        "openc2",
        "block-address",
        Openc2Twin,
        {"address": "203.0.113.7", "seconds": "3600"},
        ("POST", "openc2deny$"),
        lambda twin: "203.0.113.7" in twin.rules.values(),
        refuse=lambda twin: twin.pairs.update(deny=[]),
        exact=lambda twin: twin.rules,
        lasting=False,
    ),
    Case(
        "aws",
        "revoke-key",
        AwsTwin,
        {"user": "ada", "key": "AKIAADA1"},
        ("POST", "UpdateAccessKey$"),
        lambda twin: twin.keys["ada"].get("AKIAADA1") == "Inactive",
        refuse=lambda twin: twin.keys["ada"].clear(),
        foreign=lambda twin: twin.keys["ada"].pop("AKIAADA1"),
        exact=lambda twin: twin.keys,
        vary=lambda twin, random: twin.keys["ada"].update(AKIAADA1=random.choice(["Active", "Inactive"])),
    ),
    Case(
        "aws",
        "disable-user",
        AwsTwin,
        {"user": "ada"},
        ("POST", "PutUserPolicy$"),
        lambda twin: "tocsin-deny" in twin.policies["ada"],
        refuse=lambda twin: twin.policies.clear(),
        foreign=lambda twin: twin.policies["ada"].update({"tocsin-deny": "{}"}),
        exact=lambda twin: twin.policies,
    ),
    Case(
        "aws",
        "isolate-host",
        AwsTwin,
        {"host": "i-1"},
        ("POST", "ModifyNetworkInterfaceAttribute$"),
        lambda twin: set(map(tuple, twin.interfaces.values())) == {("sg-isolated",)},
        refuse=lambda twin: setattr(twin, "scaled", True),
        foreign=lambda twin: twin.interfaces.update({"eni-2": ["sg-other"]}),
        exact=lambda twin: twin.interfaces,
        vary=lambda twin, random: twin.interfaces.update({"eni-1": [f"sg-{random.randint(1, 9)}", "sg-ssh"]}),
    ),
    Case(
        "aws",
        "snapshot",
        AwsTwin,
        {"host": "i-1"},
        ("POST", "CreateSnapshots$"),
        lambda twin: (twin.settle(), twin.snapshots and {each["status"] for each in twin.snapshots} == {"completed"})[1],
        offline=lambda twin: setattr(twin, "slow", True),
        online=lambda twin: setattr(twin, "slow", False),
        lasting=False,
    ),
    Case(
        "defender",
        "release-host",
        isolated_machine,
        {"host": "laptop-7"},
        ("POST", "/unisolate$"),
        lambda twin: not defender_isolated(twin),
        foreign=defender_released,
        exact=defender_isolated,
        token=True,
    ),
    Case(
        "crowdstrike",
        "release-host",
        contained_host,
        {"host": "aid1"},
        ("POST", "/devices-actions/"),
        lambda twin: (twin.settle(), twin.hosts["aid1"]["status"] == "normal")[1],
        refuse=lambda twin: twin.hosts["aid1"].update(status="containment_pending", online=False),
        foreign=lambda twin: twin.hosts["aid1"].update(status="containment_pending", online=False),
        offline=lambda twin: twin.hosts["aid1"].update(online=False),
        online=lambda twin: twin.hosts["aid1"].update(online=True),
        exact=contained,
        token=True,
    ),
]


@pytest.fixture(params=CASES, ids=lambda case: case.id)
async def house(request, tmp_path):
    async with opened(request.param, tmp_path) as house:
        yield house


def test_the_signature_is_the_one_that_aws_publishes_as_an_example():
    """The worked example of the documentation of Signature Version 4."""
    request = Request(
        "GET",
        "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08",
        {"content-type": "application/x-www-form-urlencoded; charset=utf-8"},
    )
    headers = signed(
        request,
        key_id="AKIDEXAMPLE",
        secret="wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        region="us-east-1",
        service="iam",
        at=datetime(2015, 8, 30, 12, 36, tzinfo=UTC),
    )
    assert headers["authorization"].endswith("5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7")


async def test_somebody_elses_pending_action_is_waited_for(tmp_path):
    """An analyst has just ordered the isolation: it is not ordered again, and not counted as ours."""
    async with opened(CASES[0], tmp_path) as house:
        house.twin.machines[LAPTOP]["online"] = False
        house.twin.act(LAPTOP, "Isolate", "analyst")
        outcome = await house.do()
        assert outcome.state is State.FAILED and outcome.look_again_at is not None
        assert house.changes == 0


class TestConnectors(ConnectorConformance):
    """All of them."""


def only(connector, action):
    return next(case for case in CASES if (case.connector, case.action) == (connector, action))


async def test_what_defender_knows_of_a_machine_is_brought_home_as_evidence_once_the_package_is_there(tmp_path):
    async with opened(only("defender", "collect-evidence"), tmp_path) as house:
        outcome = await house.do()
        [evidence] = [found for found in outcome.findings if found.evidence]
        brought = json.loads(evidence.content)
        assert (brought["machine"]["computerDnsName"], brought["package"]["status"]) == ("laptop-7", "Succeeded")
        assert brought["alerts"] and brought["logged_on"]
        assert evidence.source == "Microsoft Defender for Endpoint"


async def test_evidence_that_is_not_there_yet_is_not_brought(tmp_path):
    async with opened(only("defender", "collect-evidence"), tmp_path) as house:
        house.twin.machines[LAPTOP]["online"] = False
        outcome = await house.do()
        assert outcome.state is State.ACCEPTED
        assert not [found for found in outcome.findings if found.evidence]


@pytest.mark.parametrize(("lost", "state"), [(0, State.ALREADY_IN_STATE), (3, State.REJECTED)])
async def test_a_restore_is_whole_or_it_is_said_what_is_missing(tmp_path, lost, state):
    async with opened(replace(only("velero", "restore-backup"), lasting=True), tmp_path) as house:
        house.twin.lost = lost
        await house.do()
        house.case = replace(house.case, action="verify-integrity")
        outcome = await house.do(key="key-2", arguments={"target": "finance"})
        assert outcome.state is state, outcome
        assert not lost or "39 of 42 items" in outcome.explanation
        nothing = await house.do(key="key-3", arguments={"target": "sales"})
        assert (nothing.state, nothing.explanation) == (State.REJECTED, "nothing was restored there")


def test_whatever_an_undo_has_to_put_back_is_compared_exactly():
    """A reversible action whose case does not say what is to come back would prove nothing."""
    tickets = ("open-ticket",)
    assert not [case.id for case in CASES if case.description.reversible and case.exact is None and case.action not in tickets]


def test_every_action_of_the_catalogue_has_a_connector_and_every_connector_a_twin():
    kinds = Catalogue(None).kinds
    assert set(ACTIONS) <= {action for kind in kinds.values() for action in kind.descriptions}
    assert set(kinds) <= set(everything().twins)
