"""Words of automations between protobuf and the domain."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from google.protobuf import json_format
from tocsin.response.v1 import containment_pb2 as pb
from tocsin.triage.v1.incident_pb2 import AttachedAlert, Incident, IncidentType

from tocsin_response.automation import expressions
from tocsin_response.automation.rule import Proposal, Rule, State, Trigger
from tocsin_response.automation.store import Definition
from tocsin_response.escalation import wire as escalation_wire
from tocsin_response.oncall.wire import timestamp


def rule_of(stored: Definition) -> Rule:
    given = json_format.ParseDict(stored.definition, pb.Automation(), ignore_unknown_fields=True)
    return Rule(
        given.name,
        stored.version,
        frozenset(Trigger(each) for each in given.triggers),
        given.condition,
        given.playbook,
        given.mode == pb.Automation.MODE_START,
        dict(given.variables),
        given.disabled,
    )


def known_to_expressions(incident: Incident, alert: AttachedAlert | None, phase: str) -> Mapping[str, Any]:
    """What conditions and variables may look at."""
    plain = {
        "id": incident.id,
        "number": incident.number,
        "title": incident.title,
        "summary": incident.summary,
        "service": incident.service,
        "team": incident.team,
        "severity": escalation_wire.severity(incident),
        "state": Incident.State.Name(incident.state).removeprefix("STATE_").lower(),
        "type": IncidentType.Name(incident.type).removeprefix("INCIDENT_TYPE_").lower(),
        "alert_count": incident.alert_count,
    }
    about = {"title": alert.title, "source_url": alert.source_url} if alert is not None else {"title": "", "source_url": ""}
    return {"incident": plain, "alert": about, "phase": phase}


def proposal_to_proto(proposal: Proposal) -> pb.Proposal:
    return pb.Proposal(
        id=proposal.id,
        automation=proposal.automation,
        automation_version=proposal.automation_version,
        incident_id=proposal.incident_id,
        playbook=proposal.playbook,
        variables=dict(proposal.variables),
        state=pb.Proposal.State.Value(f"STATE_{proposal.state.name}"),
        reason=proposal.reason,
        proposed_at=timestamp(proposal.proposed_at),
        decided_by=proposal.decided_by,
        decided_at=timestamp(proposal.decided_at),
        run_id=proposal.run_id,
        plan=proposal.plan,
        plan_version=proposal.plan_version,
        phase=proposal.phase,  # type: ignore[arg-type]  # the numbers are the same
    )


def with_run(proposal: Proposal, run_id: str) -> Proposal:
    return replace(proposal, run_id=run_id)


def failed(proposal: Proposal, why: str) -> Proposal:
    return replace(proposal, state=State.FAILED, reason=why)


def problems_of_automation(given: pb.Automation) -> list[tuple[str, str]]:
    """What is wrong with an automation by itself: field and what to mend."""
    asked = [("condition", given.condition), *((f"variables[{name}]", each) for name, each in sorted(given.variables.items()))]
    return [(field, problem) for field, expression in asked if expression and (problem := expressions.problem_of(expression))]
