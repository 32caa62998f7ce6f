"""The plan of the house, held against the code."""

import ast
import importlib
import re
from pathlib import Path

import pytest
import tocsin
from google.protobuf import symbol_database
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from tocsin.access.v1.access_pb2 import access

ROOT = Path(__file__).parents[2]
SERVICES = ("detection", "triage", "response", "communication", "review", "edge")
SOURCES = {service: sorted((ROOT / "services" / service / "src").rglob("*.py")) for service in SERVICES}

# From the plan: who may call whom, beside the edge, which forwards to everybody.
ALLOWED_CALLS = {
    ("communication", "triage"),
    ("response", "triage"),
    ("response", "communication"),
    ("response", "detection"),
    ("review", "detection"),
    # A runner carries out the steps of playbooks; it is a process of response without its secrets.
    ("runner", "response"),
}


def modules():
    """The modules of every contract that has a service."""
    folders = [Path(folder) for folder in tocsin.__path__]
    found = sorted({path for folder in folders for path in folder.glob("*/v1/*_service_pb2.py")})
    assert len(found) >= len(SERVICES)
    return [importlib.import_module(f"tocsin.{path.parts[-3]}.v1.{path.stem}") for path in found]


def methods():
    return [method for module in modules() for service in module.DESCRIPTOR.services_by_name.values() for method in service.methods]


@pytest.mark.parametrize("method", methods(), ids=lambda method: method.full_name)
def test_every_rpc_says_who_may_call_it(method):
    rule = method.GetOptions().Extensions[access]
    assert rule.role or rule.services or rule.anonymous


@pytest.mark.parametrize("method", methods(), ids=lambda method: method.full_name)
def test_no_rpc_names_a_caller_that_the_plan_does_not_know(method):
    owner = method.full_name.split(".")[1]
    for caller in method.GetOptions().Extensions[access].services:
        assert caller == "edge" or (caller, owner) in ALLOWED_CALLS


def test_communication_asks_triage_only_what_an_answer_means():
    """A responder's answer takes an incident or ends it; nothing else is communication's to say."""
    asked = {method.name for method in methods() if method.full_name.startswith("tocsin.triage.")
             and "communication" in method.GetOptions().Extensions[access].services}  # fmt: skip
    assert asked == {"AcknowledgeIncident", "ResolveIncident", "GetIncident"}


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_calls_only_whom_the_plan_allows(service):
    called = set()
    for path in SOURCES[service]:
        called |= set(re.findall(r"tocsin\.(\w+)\.v1\.\w+_service_pb2_grpc", path.read_text()))
    others = {other for other in called if other != service}
    assert service == "edge" or {(service, other) for other in others} <= ALLOWED_CALLS


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_tells_only_its_own_facts(service):
    for path in SOURCES[service]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "emit" and node.args:
                names = {found.id for found in ast.walk(node.args[0]) if isinstance(found, ast.Name)}
                foreign = {
                    name for name in names if name in facts() and not any(fact.startswith(f"tocsin.{service}.") for fact in facts()[name])
                }
                assert not foreign, f"{path}: {foreign}"


def facts():
    found = FileDescriptorSet()
    found.ParseFromString((ROOT / "protos/gen/tocsin.binpb").read_bytes())
    named: dict[str, list[str]] = {}
    for file in found.file:
        if file.name.endswith("/events.proto"):
            for message in file.message_type:
                named.setdefault(message.name, []).append(f"{file.package}.{message.name}")
    return named


@pytest.mark.parametrize("service", SERVICES)
def test_sql_lives_in_stores_only(service):
    statement = re.compile(r"\"(SELECT|INSERT INTO|UPDATE|DELETE FROM) ", re.IGNORECASE)
    for path in SOURCES[service]:
        if "store" not in path.stem:
            assert not statement.search(path.read_text()), path


@pytest.mark.parametrize("service", SERVICES)
def test_every_setting_is_in_the_readme(service):
    settings = (ROOT / "services" / service / "src" / f"tocsin_{service}" / "settings.py").read_text()
    readme = (ROOT / "services" / service / "README.md").read_text()
    for variable in re.findall(r"\"(TOCSIN_[A-Z_]+)\"", settings):
        assert variable in readme, variable


def test_no_file_names_a_download_address():
    hosts = re.compile(r"(pypi\.org|pythonhosted\.org|registry\.npmjs|crates\.io)")
    for name in (
        "requirements.lock",
        "pyproject.toml",
        "Makefile",
        "services/edge/console/package-lock.json",
        "services/edge/console/.npmrc",
    ):
        assert not hosts.search((ROOT / name).read_text()), name


def test_every_fact_can_be_read_by_its_name():
    from tocsin.triage.v1 import events_pb2

    assert symbol_database.Default().GetSymbol("tocsin.triage.v1.IncidentOpened") is events_pb2.IncidentOpened
