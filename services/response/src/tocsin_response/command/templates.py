"""The plans that are shipped, one for each type of incident; plans of files go before them."""

from collections.abc import Iterable, Mapping
from functools import cache

from google.protobuf.duration_pb2 import Duration
from tocsin.response.v1.command_pb2 import (
    Cadence,
    ChecklistItem,
    Criterion,
    IncidentPlan,
    Phase,
    PhasePlan,
    PlannedTask,
    PlanQuestion,
    RolePlan,
)
from tocsin.triage.v1.incident_pb2 import IncidentType, Severity

# Counts the changes of what is shipped: incidents keep the version that they began with.
VERSION = 1
HOUR = 3600
ROLES = (
    (
        "commander",
        "Incident commander",
        ("decides, and says why", "keeps the whole in view and does not debug", "hands over before tiring"),
    ),
    ("operations", "Operations", ("carries out what was decided", "says when something did not work")),
    ("devops", "DevOps", ("knows what was deployed and changed lately", "rolls back or forward")),
    ("it-support", "IT support", ("hears what users see", "helps those who cannot work")),
    (
        "communications",
        "Communications",
        ("tells people how it goes in the rhythm of the plan", "keeps questions away from those who work"),
    ),
    ("legal", "Legal", ("says which obligations begin and what may be told to whom", "reads what goes outside")),
    ("scribe", "Scribe", ("writes down what was seen and decided, with times",)),
)
CADENCE = ((1, HOUR // 2), (2, HOUR), (3, 4 * HOUR))


@cache
def templates() -> dict[str, IncidentPlan]:
    """By name."""
    made = (_security(), _operational(), _compliance(), _performance(), _human_error())
    return {plan.name: plan for plan in made}


def in_force(own: Mapping[str, IncidentPlan]) -> dict[str, IncidentPlan]:
    """Those of files, and the shipped ones that none of a file replaces: by its name, or for its type."""
    replaced = {plan.incident_type for plan in own.values() if not plan.template}
    return {**{name: plan for name, plan in templates().items() if plan.incident_type not in replaced}, **own}


def _plan(name: str, title: str, kind: "IncidentType.ValueType", phases: Iterable[PhasePlan], roles: Iterable[str]) -> IncidentPlan:
    wanted = set(roles)
    return IncidentPlan(
        name=name,
        display_name=title,
        incident_type=kind,
        phases=phases,
        roles=[RolePlan(key=key, title=said, expectations=expected) for key, said, expected in ROLES if key in wanted],
        cadence=[Cadence(severity=Severity.Value(f"SEVERITY_SEV{level}"), every=Duration(seconds=every)) for level, every in CADENCE],
        commander_acknowledges=True,
        template=True,
    )


def _criterion(key: str, kind: str, subject: str = "", *, mandatory: bool = True) -> Criterion:
    return Criterion(key=key, kind=Criterion.Kind.Value(f"KIND_{kind}"), subject=subject, mandatory=mandatory)


def _checked(key: str, *, mandatory: bool = True) -> Criterion:
    return _criterion(key, "CHECKED", key, mandatory=mandatory)


def _answered(key: str, *, mandatory: bool = True) -> Criterion:
    return _criterion(key, "QUESTION_ANSWERED", key, mandatory=mandatory)


def _items(**said: str) -> list[ChecklistItem]:
    return [ChecklistItem(key=key.replace("_", "-"), text=text) for key, text in said.items()]


def _asks(**said: str) -> list[PlanQuestion]:
    return [PlanQuestion(key=key.replace("_", "-"), text=text) for key, text in said.items()]


def _task(title: str, role: str, hours: float) -> PlannedTask:
    return PlannedTask(title=title, role=role, due_after=Duration(seconds=int(hours * HOUR)))


COMMANDED = (_criterion("commander", "ROLE_FILLED", "commander"), _criterion("severity", "SEVERITY_SET"))
DONE = _criterion("tasks", "TASKS_DONE")


def _preparation(*more: ChecklistItem) -> PhasePlan:
    usual = _items(contacts="Contact methods are confirmed", exercise="The plan was exercised this half-year")
    return PhasePlan(phase=Phase.PHASE_PREPARATION, goal="Be ready: people, plans, playbooks, exercises", checklist=[*usual, *more])


def _lessons(*, legal: bool) -> PhasePlan:
    obligations = [_criterion("obligations", "OBLIGATIONS_ANSWERED")] if legal else []
    return PhasePlan(
        phase=Phase.PHASE_LESSONS_LEARNED,
        goal="Understand why it could happen, and change that",
        exit=[_answered("root-cause"), DONE, *obligations],
        questions=_asks(root_cause="Why could it happen?", went_well="What went well?", change="What shall be different the next time?"),
        tasks=[_task("Hold the review with everybody who was there", "commander", 120)],
        checklist=_items(review_read="The drafted review was read and completed"),
    )


def _security() -> IncidentPlan:
    identification = PhasePlan(
        phase=Phase.PHASE_IDENTIFICATION,
        goal="Find out what happened, to what, and how bad it is, without warning whoever did it",
        exit=[*COMMANDED, _answered("what-happened"), _checked("scope"), _criterion("legal", "ROLE_FILLED", "legal", mandatory=False)],
        checklist=_items(
            scope="Known: which systems, accounts and data are affected",
            private="Decided: is it private?",
            clock="Decided: which obligations begin, and when did we become aware?",
        ),
        questions=_asks(what_happened="What happened, as far as is known?", how_in="How did they get in, as far as is known?"),
    )
    containment = PhasePlan(
        phase=Phase.PHASE_CONTAINMENT,
        goal="Keep it from spreading; keep what proves it",
        entry=[_criterion("operations", "ROLE_FILLED", "operations", mandatory=False)],
        exit=[_criterion("evidence", "EVIDENCE_COLLECTED"), _checked("spread-stopped"), DONE],
        checklist=_items(
            volatile_first="What is lost first was collected first: memory, connections, processes",
            spread_stopped="It does not spread any more: hosts isolated, accounts disabled, sessions revoked",
        ),
        tasks=[
            _task("Collect evidence before anything is changed", "operations", 1),
            _task("Isolate what is affected", "operations", 2),
            _task("Revoke sessions and keys that may be known", "operations", 2),
            _task("Say which obligations begin", "legal", 4),
        ],
    )
    eradication = PhasePlan(
        phase=Phase.PHASE_ERADICATION,
        goal="Remove every way back in",
        exit=[_checked("persistence"), _checked("hole-closed"), _checked("secrets-changed"), DONE],
        checklist=_items(
            persistence="No back door is left: accounts, jobs, keys, images were looked through",
            hole_closed="The way by which they came in is closed",
            secrets_changed="Secrets that may be known were changed",
        ),
        tasks=[_task("Look for the same traces everywhere else", "operations", 8)],
    )
    recovery = PhasePlan(
        phase=Phase.PHASE_RECOVERY,
        goal="Bring back what was lost from what is known to be clean, and watch it",
        exit=[_checked("restored"), _checked("verified"), _criterion("measures", "MEASURES_DECIDED"), DONE],
        checklist=_items(
            restored="Everything is back", verified="What was restored was verified", watched="Indicators are watched from now on"
        ),
        tasks=[_task("Lift measures that are not needed any more", "operations", 24)],
    )
    legal_review = _items(legal_review="Legal has read what goes outside")
    phases = (_preparation(), identification, containment, eradication, recovery, _lessons(legal=True))
    phases[5].checklist.extend(legal_review)
    return _plan("security", "Security", IncidentType.INCIDENT_TYPE_SECURITY, phases, {key for key, _, _ in ROLES})


def _operational() -> IncidentPlan:
    identification = PhasePlan(
        phase=Phase.PHASE_IDENTIFICATION,
        goal="Find out what does not work, for whom, and how bad that is",
        exit=[_criterion("commander", "ROLE_FILLED", "commander"), _checked("impact", mandatory=False)],
        checklist=_items(impact="Known: who cannot do what", changes="Looked at: what changed before it began"),
    )
    containment = PhasePlan(
        phase=Phase.PHASE_CONTAINMENT,
        goal="Make it bearable: roll back, fail over, shed load",
        exit=[_checked("bearable"), DONE],
        checklist=_items(bearable="Users can work again, if only by a way around"),
    )
    eradication = PhasePlan(
        phase=Phase.PHASE_ERADICATION,
        goal="Remove the cause",
        exit=[_checked("cause-gone"), DONE],
        checklist=_items(cause_gone="The cause is known and gone"),
    )
    recovery = PhasePlan(
        phase=Phase.PHASE_RECOVERY,
        goal="Back to normal: no way around, no measure left",
        exit=[_checked("normal"), _criterion("measures", "NO_MEASURE_IN_FORCE"), DONE],
        checklist=_items(normal="Figures are as before it began"),
    )
    phases = (_preparation(), identification, containment, eradication, recovery, _lessons(legal=False))
    roles = ("commander", "operations", "devops", "it-support", "communications", "scribe")
    return _plan("operational", "Operational", IncidentType.INCIDENT_TYPE_OPERATIONAL, phases, roles)


def _compliance() -> IncidentPlan:
    identification = PhasePlan(
        phase=Phase.PHASE_IDENTIFICATION,
        goal="Find out which rule may be broken, whose data is concerned, and since when",
        exit=[*COMMANDED, _criterion("legal", "ROLE_FILLED", "legal"), _answered("which-rule"), _answered("aware-since")],
        questions=_asks(which_rule="Which rule, law or contract may be broken?", aware_since="When did we become aware of it?"),
        checklist=_items(hold="What may be needed as proof is not deleted any more"),
    )
    containment = PhasePlan(
        phase=Phase.PHASE_CONTAINMENT,
        goal="Stop what breaks the rule",
        exit=[_checked("stopped"), _criterion("evidence", "EVIDENCE_COLLECTED", mandatory=False), DONE],
        checklist=_items(stopped="It has stopped"),
        tasks=[_task("Say which obligations begin", "legal", 4)],
    )
    eradication = PhasePlan(
        phase=Phase.PHASE_ERADICATION,
        goal="Remove why it could happen",
        exit=[_checked("cause-gone"), DONE],
        checklist=_items(cause_gone="The process or system was changed"),
    )
    recovery = PhasePlan(
        phase=Phase.PHASE_RECOVERY,
        goal="Make good: tell whoever has to be told",
        exit=[_checked("legal-review"), _criterion("obligations", "OBLIGATIONS_ANSWERED"), DONE],
        checklist=_items(legal_review="Legal has read what goes outside"),
    )
    phases = (_preparation(), identification, containment, eradication, recovery, _lessons(legal=True))
    return _plan(
        "compliance", "Compliance", IncidentType.INCIDENT_TYPE_COMPLIANCE, phases, ("commander", "legal", "communications", "scribe")
    )


def _performance() -> IncidentPlan:
    identification = PhasePlan(
        phase=Phase.PHASE_IDENTIFICATION,
        goal="Find out what is slow, for whom, since when",
        exit=[_criterion("commander", "ROLE_FILLED", "commander"), _answered("what-is-slow", mandatory=False)],
        questions=_asks(what_is_slow="What is slow, by how much, for whom?"),
    )
    containment = PhasePlan(
        phase=Phase.PHASE_CONTAINMENT,
        goal="Make it bearable: scale, shed, switch off what is not needed",
        exit=[_checked("bearable"), DONE],
        checklist=_items(bearable="It is fast enough again, if only for now"),
    )
    eradication = PhasePlan(
        phase=Phase.PHASE_ERADICATION,
        goal="Remove the bottleneck",
        exit=[_checked("cause-gone"), DONE],
        checklist=_items(cause_gone="The bottleneck is known and gone"),
    )
    recovery = PhasePlan(
        phase=Phase.PHASE_RECOVERY,
        goal="Back to the usual size and settings",
        exit=[_checked("normal"), DONE],
        checklist=_items(normal="What was switched off or scaled for the time is as before"),
    )
    phases = (_preparation(), identification, containment, eradication, recovery, _lessons(legal=False))
    roles = ("commander", "operations", "devops", "communications", "scribe")
    return _plan("performance", "Performance", IncidentType.INCIDENT_TYPE_PERFORMANCE, phases, roles)


def _human_error() -> IncidentPlan:
    identification = PhasePlan(
        phase=Phase.PHASE_IDENTIFICATION,
        goal="Find out what was done, and what follows from it; blame nobody",
        exit=[_criterion("commander", "ROLE_FILLED", "commander"), _answered("what-was-done")],
        questions=_asks(what_was_done="What was done, and what did it change?"),
    )
    containment = PhasePlan(
        phase=Phase.PHASE_CONTAINMENT,
        goal="Keep it from having more consequences",
        exit=[_checked("no-more"), DONE],
        checklist=_items(no_more="Nothing else follows from it"),
    )
    eradication = PhasePlan(
        phase=Phase.PHASE_ERADICATION,
        goal="Undo it",
        exit=[_checked("undone"), DONE],
        checklist=_items(undone="It is undone, or made good otherwise"),
    )
    recovery = PhasePlan(
        phase=Phase.PHASE_RECOVERY,
        goal="Bring back what was lost",
        exit=[_checked("restored"), DONE],
        checklist=_items(restored="Nothing is missing any more", told="Whoever was affected knows"),
    )
    phases = (_preparation(), identification, containment, eradication, recovery, _lessons(legal=False))
    roles = ("commander", "operations", "it-support", "communications", "scribe")
    return _plan("human-error", "Human error", IncidentType.INCIDENT_TYPE_HUMAN_ERROR, phases, roles)
