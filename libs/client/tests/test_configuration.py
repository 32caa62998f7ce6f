from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from tocsin_client import configuration
from tocsin_client.configuration import ConfigurationError
from tocsin_client.configuration.kinds import DURATION, Kind, is_map, is_message, kinds, referred_kind, short_names, writable
from tocsin_client.configuration.resources import Configurations, Place, Resource
from tocsin_client.configuration.writing import render

ORGANISATION = """\
apiVersion: tocsin/v1
kind: Responder
metadata: {name: alice}
spec: {time_zone: Europe/Paris}
---
apiVersion: tocsin/v1
kind: Team
metadata: {name: shop}
spec: {members: [alice]}
---
apiVersion: tocsin/v1
kind: Schedule
metadata: {name: primary}
spec:
  time_zone: Europe/Paris
  rotation: {unit: WEEKLY, starts_on: 2026-11-23, handoff_time: 09:00, responders: [alice]}
---
apiVersion: tocsin/v1
kind: EscalationPolicy
metadata: {name: shop}
spec:
  steps:
    - targets: [{schedule: primary}]
      delay: 5m
    - targets: [{team: shop}, {responder: alice}]
      delay: 1h30m
---
apiVersion: tocsin/v1
kind: Fallback
spec: {responders: [alice]}
---
apiVersion: tocsin/v1
kind: ContactMethod
metadata: {name: alice-email}
spec: {responder: alice, kind: EMAIL, address: alice@shop.example}
---
apiVersion: tocsin/v1
kind: Service
metadata: {name: checkout}
spec: {team: shop, escalation_policy: shop, description: yes}
---
apiVersion: tocsin/v1
kind: Route
metadata: {name: checkout}
spec: {position: -1, match: {job: checkout, on: "null"}, service: checkout, severity: SEV2}
---
apiVersion: tocsin/v1
kind: Integration
metadata: {name: prometheus}
spec: {kind: alertmanager, service: checkout}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "organisation.yaml").write_text(ORGANISATION)
    return tmp_path


def resource(found: Configurations, kind: str) -> Any:
    [message] = [each.message for each in found.resources if each.kind.name == kind]
    return message


def problems(tmp_path: Path, text: str) -> list[str]:
    file = tmp_path / "broken.yaml"
    file.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        configuration.load(file)
    return [problem.removeprefix(f"{file}:") for problem in caught.value.problems]


def test_every_kind_of_every_service_can_be_in_a_file() -> None:
    assert list(kinds()) == [
        "Team", "Responder", "Schedule", "EscalationPolicy", "Fallback", "Calendar", "IncidentPlan", "BusinessHours", "GuardRails",
        "Automation", "Playbook", "Regime", "ContactMethod", "PersonalRules",
        "PageLimit", "Service", "Route", "Integration",
        "Heartbeat", "Inhibition", "MaintenanceWindow", "NoiseRule",
    ]  # fmt: skip


def test_a_file_is_read_as_people_mean_it(folder: Path) -> None:
    found = configuration.load(folder)
    schedule, policy, route = (resource(found, kind) for kind in ("Schedule", "EscalationPolicy", "Route"))
    assert (schedule.rotation.starts_on, schedule.rotation.handoff_time) == ("2026-11-23", "09:00")
    assert [step.delay.seconds for step in policy.steps] == [300, 5400]
    assert [target.WhichOneof("target") for target in policy.steps[1].targets] == ["team", "responder"]
    assert (route.position, route.severity, dict(route.match)) == (-1, 2, {"job": "checkout", "on": "null"})
    assert resource(found, "Service").description == "yes"
    assert resource(found, "Fallback").responders == ["alice"]


def head(kind: str = "Service", name: str = "a") -> str:
    return f"apiVersion: tocsin/v1\nkind: {kind}\nmetadata: {{name: {name}}}\nspec:\n"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: [", "1: not YAML"),
        ("\x00", "1: not YAML"),
        ("- a", "1: the document must be a mapping"),
        ("spec: {}", "1: apiVersion: is missing; write apiVersion: tocsin/v1"),
        ("apiVersion: tocsin/v2\nkind: Team\nmetadata: {name: a}", "1: apiVersion: is 'tocsin/v2'"),
        (
            "apiVersion: tocsin/v1\nkind: Servce\nmetadata: {name: a}",
            "2: kind: 'Servce' is not a kind of resource; did you mean 'Service'?",
        ),
        ("apiVersion: tocsin/v1\nkind: Team\nmetadata: {}", "1: metadata.name: is missing"),
        ("apiVersion: tocsin/v1\nkind: Team\nmetadata: {name: a, labels: {}}", "3: metadata.labels: is not a field"),
        (head() + "  teem: b", "5: Service a: teem: is not a field; did you mean 'team'?"),
        (head() + "  name: b", "5: Service a: name: is not a field"),
        (head() + "  team: [b]", "5: Service a: team: must be one value"),
        (head() + "  team: b\n  team: c", "6: Service a: team: stands twice, first in line 5"),
        (head() + "  depends_on: b", "5: Service a: depends_on: must be a list"),
        (head("Route") + "  position: 1.5", "5: Route a: position: must be a whole number of at most 32 bits, not '1.5'"),
        (head("Route") + "  position: 2147483648", "5: Route a: position: must be a whole number"),
        (head("Route") + "  severity: SEV22", "5: Route a: severity: 'SEV22' is not possible; did you mean 'SEV2'?"),
        (head("Route") + "  match: [a]", "5: Route a: match: must be a mapping"),
        (head("Schedule") + "  rotation: {unit: weekly}", "5: Schedule a: rotation.unit: 'weekly' is not possible; did you mean 'WEEKLY'?"),
        (head("EscalationPolicy") + "  steps: [{delay: 5 minutes}]", "5: EscalationPolicy a: steps[0].delay: must be a duration such as"),
        (
            head("EscalationPolicy") + "  fallback: [{}]",
            "5: EscalationPolicy a: fallback[0]: give exactly one of responder, schedule, team",
        ),
        (head("EscalationPolicy") + "  fallback:\n  - {team: a, schedule: b}", "6: EscalationPolicy a: fallback[0]: give exactly one of"),
        (head("Integration") + "  created_at: 2026-11-23T00:00:00Z", "5: Integration a: created_at: is not a field"),
        (head("Integration") + "  secrets: 1", "5: Integration a: secrets: is counted by the server; `tocsin integration secret"),
        (head("Integration") + "  key: abc", "5: Integration a: key: does not belong into a file that others read; write key_from: {env"),
        (
            head("Integration") + "  key_from: {env: TOCSIN_NOWHERE}",
            "5: Integration a: key_from: the environment variable TOCSIN_NOWHERE is",
        ),
        (head("Integration") + "  key_from: {file: nowhere}", "5: Integration a: key_from: "),
        (head("Integration") + "  key_from: {file: a, env: b}", "5: Integration a: key_from: give exactly one of env, file"),
        (head("Integration") + "  key_from: {pipe: a}", "5: Integration a: key_from: give exactly one of env, file"),
        (head("Integration") + "  key_from: abc", "5: Integration a: key_from: must be a mapping"),
        (head("Team") + "  key_from: {env: a}", "5: Team a: key_from: is not a field"),
        (head("Fallback", "b"), "3: metadata.name: there is only one Fallback; name it 'platform'"),
        (head() + "---\n" + head(), "6: metadata.name: Service 'a' stands already at"),
    ],
)
def test_a_mistake_is_named_with_line_field_and_remedy(tmp_path: Path, text: str, problem: str) -> None:
    found = problems(tmp_path, text)
    assert found[0].startswith(problem), found[0]
    assert len(found) == 1 or "apiVersion" not in text, found


def test_a_key_is_taken_from_the_environment_or_from_a_file_beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_GENIE_KEY", "from-the-environment")
    (tmp_path / "genie.key").write_text("from-a-file\n")
    (tmp_path / "a.yaml").write_text(
        head("Integration", "a") + "  kind: opsgenie\n  key_from: {env: SHOP_GENIE_KEY}\n---\n"
        + head("Integration", "b") + "  kind: opsgenie\n  key_from: {file: genie.key}\n"
    )  # fmt: skip
    found = configuration.load(tmp_path)
    assert [each.message.key for each in found.resources] == ["from-the-environment", "from-a-file"]
    assert "from-" not in str(render(found)), "an export holds no key"


def test_all_mistakes_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "deeper").mkdir()
    for name in ("a.yaml", "deeper/b.yml"):
        (tmp_path / name).write_text(head(name="x") + "  teem: b\n  descripton: c\n")
    with pytest.raises(ConfigurationError) as caught:
        configuration.load(tmp_path)
    assert len(caught.value.problems) == 4
    assert {Path(problem.split(":")[0]).name for problem in caught.value.problems} == {"a.yaml", "b.yml"}


def test_nothing_to_read_is_an_error(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(ConfigurationError, match=r"holds no|no such"):
            configuration.load(path)


def test_documents_without_content_are_no_resources(tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").write_text("# nothing\n---\n---\n")
    assert configuration.load(tmp_path).resources == ()


def test_applying_twice_changes_nothing_the_second_time(folder: Path, installation: Any) -> None:
    wanted = configuration.load(folder)
    assert {change.action for change in configuration.plan(installation.connection, wanted)} == {"created"}
    assert not any(message.ListFields() for message in installation.stored.values()), "a plan changes nothing"
    first = configuration.apply(installation.connection, wanted)
    assert {change.action for change in first} == {"created"}
    assert len(first) == 9 and [change.service for change in first] == ["response"] * 5 + ["communication"] + ["triage"] * 2 + ["detection"]
    assert {change.action for change in configuration.apply(installation.connection, wanted)} == {"unchanged"}


def test_what_is_exported_can_be_applied_without_a_change(folder: Path, installation: Any, tmp_path: Path) -> None:
    configuration.apply(installation.connection, configuration.load(folder))
    target = tmp_path / "exported"
    target.mkdir()
    texts = configuration.export(installation.connection)
    for name, text in texts.items():
        (target / name).write_text(text)
    again = configuration.plan(installation.connection, configuration.load(target), prune=True)
    assert {change.action for change in again} == {"unchanged"} and len(again) == 9
    assert configuration.export(installation.connection) == texts


def test_an_update_says_which_fields_differ(folder: Path, installation: Any) -> None:
    configuration.apply(installation.connection, configuration.load(folder))
    (folder / "organisation.yaml").write_text(ORGANISATION.replace("alice@shop.example", "a@shop.example"))
    [change] = [each for each in configuration.plan(installation.connection, configuration.load(folder)) if each.action != "unchanged"]
    assert (change.kind, change.name, change.action) == ("ContactMethod", "alice-email", "updated")
    assert [(each.path, each.after) for each in change.fields] == [("address", '"a@shop.example"')]


def test_names_may_be_in_the_files_or_on_the_server(folder: Path, installation: Any, tmp_path: Path) -> None:
    configuration.apply(installation.connection, configuration.load(folder))
    file = tmp_path / "one.yaml"
    file.write_text(head(name="search") + "  team: shop\n  depends_on: [checkout, search]\n")
    assert [change.action for change in configuration.plan(installation.connection, configuration.load(file))] == ["created"]
    with pytest.raises(ConfigurationError, match="there is no Team 'shop'"):
        configuration.plan(installation.connection, configuration.load(file), prune=True)


@pytest.mark.parametrize("prune", [False, True])
def test_a_built_in_service_may_be_named(installation: Any, tmp_path: Path, prune: bool) -> None:
    file = tmp_path / "one.yaml"
    file.write_text(head("Integration", "prometheus") + "  kind: webhook\n  service: unrouted\n")
    assert [change.action for change in configuration.plan(installation.connection, configuration.load(file), prune)] == ["created"]


def test_a_name_that_nothing_has_is_refused_before_anything_is_sent(folder: Path, installation: Any) -> None:
    (folder / "organisation.yaml").write_text(ORGANISATION.replace("targets: [{schedule: primary}]", "targets: [{schedule: primry}]"))
    with pytest.raises(ConfigurationError) as caught:
        configuration.apply(installation.connection, configuration.load(folder))
    [problem] = caught.value.problems
    assert problem.startswith(
        f"{folder / 'organisation.yaml'}:23: EscalationPolicy shop: steps[0].targets[0].schedule: there is no Schedule 'primry'"
    )
    assert problem.endswith("did you mean 'primary'?")
    assert installation.requests("ApplyConfiguration") == []


def test_a_field_that_a_service_refuses_is_told_with_its_line(folder: Path, installation: Any) -> None:
    fields = [("configuration.schedules[0].rotation.handoff_time", "no such time"), ("fallback.responders[0]", "is asleep")]
    installation.refuse("ApplyConfiguration", grpc.StatusCode.INVALID_ARGUMENT, "invalid", "INVALID", fields)
    with pytest.raises(ConfigurationError) as caught:
        configuration.apply(installation.connection, configuration.load(folder))
    file = folder / "organisation.yaml"
    assert list(caught.value.problems) == [
        f"{file}:16: Schedule primary: rotation.handoff_time: no such time",
        f"{file}:30: Fallback platform: responders[0]: is asleep",
    ]


def test_nothing_is_applied_if_one_service_refuses(folder: Path, installation: Any) -> None:
    accepts = installation.ApplyConfiguration
    refused = KeyError("stands for a service that is broken")

    def apply(service: str, request: Any) -> Any:
        if service == "detection":
            raise refused
        return accepts(service, request)

    installation.ApplyConfiguration = apply
    with pytest.raises(Exception, match="stands for"):
        configuration.apply(installation.connection, configuration.load(folder))
    assert all(each.dry_run for each in installation.requests("ApplyConfiguration"))


TEXTS = some.text(some.characters(exclude_categories=("Cs",)), max_size=12) | some.sampled_from(
    ["null", "~", "yes", "0x10", "09:00", "1e3", "2026-11-23", "- a", "a: b", "#", "'", "\u2028", "\x85", "\ufeff", "%", "&a", "*a", "<<"]
)


def anything(descriptor: Descriptor) -> some.SearchStrategy[dict[str, Any]]:
    """Whatever a message may hold, as arguments of its class."""
    choices = [field for oneof in descriptor.oneofs for field in oneof.fields]
    plain = {field.name: one_or_more(field) for field in writable(descriptor) if field not in choices}
    fixed = some.fixed_dictionaries({}, optional=plain)
    if not choices:
        return fixed
    return some.sampled_from(choices).flatmap(lambda field: some.fixed_dictionaries({field.name: value(field)}))


def one_or_more(field: FieldDescriptor) -> some.SearchStrategy[Any]:
    if is_map(field):
        return some.dictionaries(TEXTS, TEXTS, max_size=3)
    if field.is_repeated and field.enum_type is not None:
        # In a list "not given" is nothing that a file could say.
        return some.lists(some.sampled_from([*short_names(field.enum_type).values()]), max_size=3)
    return some.lists(value(field), max_size=3) if field.is_repeated else value(field)


def value(field: FieldDescriptor) -> some.SearchStrategy[Any]:
    if is_message(field, DURATION):
        return some.builds(dict, seconds=some.integers(0, 10**6), nanos=some.sampled_from([0, 1, 5 * 10**8, 10**9 - 1]))
    if field.message_type is not None:
        return anything(field.message_type)
    if field.enum_type is not None:
        return some.sampled_from([0, *short_names(field.enum_type).values()])
    return TEXTS if field.type == FieldDescriptor.TYPE_STRING else some.integers(-(2**31), 2**31 - 1)


def resources_of(kind: Kind) -> some.SearchStrategy[Resource]:
    def made(name: str, content: dict[str, Any]) -> Resource:
        message = type(kind.message())(**content)
        if not kind.singular:
            message.name = name
        return Resource(kind, "platform" if kind.singular else name, message, Place(Path("x"), 1))

    return some.builds(made, some.from_regex("[a-z0-9]{1,9}", fullmatch=True), anything(kind.descriptor))


RESOURCES = some.one_of([resources_of(kind) for kind in kinds().values()])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(some.lists(RESOURCES, max_size=5, unique_by=lambda each: (each.kind.name, each.name)))
def test_whatever_is_written_is_read_back_the_same(tmp_path: Path, given_resources: list[Resource]) -> None:
    texts = render(Configurations(tuple(given_resources)))
    for old in tmp_path.iterdir():
        old.unlink()
    for name, text in texts.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    found = configuration.load(tmp_path) if texts else Configurations()
    wanted = {(each.kind.name, each.name): each.message for each in given_resources}
    assert {(each.kind.name, each.name): each.message for each in found.resources} == wanted
    assert render(found) == texts, "the order does not depend on what was read first"


@given(some.text(alphabet="apiVersonkdmtcu: {}[]-\n'\"tocsin/v1Team&*!<|>%@0~", max_size=80))
def test_no_text_breaks_the_reader(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    file = tmp_path_factory.getbasetemp() / "any.yaml"
    file.write_text(text)
    try:
        configuration.load(file)
    except ConfigurationError as error:
        assert all(problem.startswith(str(file)) for problem in error.problems)


def test_every_field_that_names_a_resource_is_checked() -> None:
    def naming(descriptor: Descriptor) -> set[str]:
        own = {f"{descriptor.name}.{field.name}" for field in writable(descriptor) if referred_kind(field)}
        return own.union(*(naming(field.message_type) for field in writable(descriptor) if field.message_type))

    found = set().union(*(naming(kind.descriptor) for kind in kinds().values()))
    assert found == {
        "Team.members", "Rotation.responders", "ResponderGroup.responders", "Participant.responder", "Participant.team",
        "Participant.escalation_policy", "Layer.calendar", "PlannedOverride.responder", "PlannedOverride.instead_of_responder",
        "PlannedShift.responders", "Calendar.responder", "UrgencyRule.escalation_policy", "Team.managers", "PersonalStep.contact_method",
        "Condition.business_hours", "Target.responder", "Target.schedule", "Target.team", "Fallback.responders",
        "ContactMethod.responder", "ChangeWindow.business_hours", "Automation.playbook", "PhasePlan.playbooks", "PlannedRun.playbook",
        "Service.team", "Service.escalation_policy", "Service.depends_on", "Route.service", "Integration.service",
        "Heartbeat.service", "Heartbeat.integration", "MaintenanceWindow.services",
    }  # fmt: skip
