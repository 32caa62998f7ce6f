"""What is wrong with a playbook is said before anything runs: with the step, the field, and what to do."""

import json
from collections.abc import Callable
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin_kernel.errors import Invalid
from tocsin_playbook import check
from tocsin_playbook.document import loaded, understood
from tocsin_playbook.playbook import EXTENSION

Plain = dict[str, Any]


def named(kind: str, name: str = "") -> str:
    return f"{kind}--{uuid5(NAMESPACE_URL, kind + name)}"


START, END = named("start"), named("end")
ACT, SECOND, LOOP, FORK, CHOICE, SWITCH = (
    named("action", "1"),
    named("action", "2"),
    named("while-condition"),
    named("parallel"),
    named("if-condition"),
    named("switch-condition"),
)
AGENT, TARGET, PERSON = named("organization"), named("ssh"), named("individual")


def action(after: str = END, **fields: Any) -> Plain:
    command = {"type": "tocsin-action", "action": "isolate-host", "connector": "edr", "arguments": {"host": "__host__:value"}}
    return {"type": "action", "commands": [command], "agent": AGENT, "on_completion": after, **fields}


def sound(**steps: Plain) -> Plain:
    """A playbook with nothing wrong, and room for what a test adds."""
    return {
        "type": "playbook",
        "spec_version": "cacao-2.0",
        "id": named("playbook"),
        "name": "sound",
        "created_by": named("identity"),
        "created": "2026-01-01T00:00:00.000Z",
        "modified": "2026-01-01T00:00:00.000Z",
        "playbook_variables": {"__host__": {"type": "string", "external": True}, "__n__": {"type": "integer", "value": "1"}},
        "workflow_start": START,
        "workflow": {START: {"type": "start", "on_completion": ACT}, ACT: action(), END: {"type": "end"}},
        "agent_definitions": {AGENT: {"type": "organization", "name": "us"}},
        "target_definitions": {
            TARGET: {"type": "ssh", "name": "web", "address": {"dname": ["web-1"]}},
            PERSON: {"type": "individual", "name": "ana"},
        },
    }


def command(**fields: Any) -> Callable[[Plain], None]:
    def change(plain: Plain) -> None:
        plain["workflow"][ACT]["commands"] = [{key: each for key, each in fields.items() if each is not None}]

    return change


def our_action(**fields: Any) -> Callable[[Plain], None]:
    usual = {"type": "tocsin-action", "action": "isolate-host", "connector": "edr", "arguments": {"host": "web-1"}}
    return command(**{**usual, **fields})


def step(**fields: Any) -> Callable[[Plain], None]:
    return lambda plain: plain["workflow"][ACT].update(fields)


def options(**fields: Any) -> Callable[[Plain], None]:
    return step(step_extensions={EXTENSION: fields})


def top(**fields: Any) -> Callable[[Plain], None]:
    return lambda plain: plain.update(fields)


def without(field: str) -> Callable[[Plain], None]:
    return lambda plain: plain["workflow"][ACT].pop(field)


def more(first: str, **steps: Plain) -> Callable[[Plain], None]:
    """Steps that come first, by their ids' names in this module."""

    def change(plain: Plain) -> None:
        plain["workflow"] |= {globals()[name]: each for name, each in steps.items()}
        plain["workflow"][START]["on_completion"] = first

    return change


def variable(**fields: Any) -> Callable[[Plain], None]:
    return lambda plain: plain["playbook_variables"].update({"__x__": fields})


BACK: Plain = {"type": "while-condition", "condition": "__n__:value > 0", "on_true": ACT, "on_completion": END}
NOWHERE = named("action", "nowhere")

WRONG: list[tuple[str, Callable[[Plain], None], str, str, str]] = [
    # what, the change, the step, the field, what is said
    ("no id", lambda plain: plain.pop("id"), "", "id", "required"),
    ("an old version", top(spec_version="1.1"), "", "spec_version", "cacao-2.0"),
    ("an unknown field", top(naem="x"), "", "naem", "did you mean name?"),
    ("a bad time", top(created="yesterday"), "", "created", "2026-01-31"),
    ("a bad priority", top(priority=101), "", "priority", "from 0 to 100"),
    ("no start", top(workflow_start=END), "", "workflow_start", START),
    (
        "two starts",
        lambda plain: plain["workflow"].update({named("start", "2"): {"type": "start", "on_completion": ACT}}),
        "",
        "workflow",
        "2 start",
    ),
    ("a step of no kind", step(type="acton"), ACT, "type", "no such step"),
    ("an id of another kind", more(FORK, FORK=action()), FORK, "id", "action--"),
    ("an unknown field of a step", step(on_succes=END), ACT, "on_succes", "did you mean on_success?"),
    ("both ways on", step(on_success=END), ACT, "on_completion", "neither on_success nor on_failure"),
    ("no way on", without("on_completion"), ACT, "on_completion", "which step comes next"),
    (
        "something after the end",
        lambda plain: plain["workflow"][END].update(on_completion=ACT),
        END,
        "on_completion",
        "nothing comes after",
    ),
    ("a negative delay", step(delay=-1), ACT, "delay", "whole number"),
    ("a timeout in words", step(timeout="1m"), ACT, "timeout", "whole number"),
    ("a dangling step", step(on_completion=NOWHERE), ACT, "on_completion", f"no step {NOWHERE}"),
    ("a dangling exception", top(workflow_exception=NOWHERE), "", "workflow_exception", "no step"),
    (
        "a dangling case",
        more(SWITCH, SWITCH={"type": "switch-condition", "switch": "__n__:value", "cases": {"1": NOWHERE}, "on_completion": ACT}),
        SWITCH,
        "cases.1",
        "no step",
    ),
    ("an unreachable step", lambda plain: plain["workflow"].update({SECOND: action()}), SECOND, "", "nothing leads to this step"),
    ("a circle", more(ACT, ACT=action(SECOND), SECOND=action(ACT)), SECOND, "", "a loop without an end"),
    ("a circle by failure", step(on_success=END, on_failure=ACT, on_completion=None), ACT, "", "a loop without an end"),
    (
        "a way out of a branch",
        more(FORK, FORK={"type": "parallel", "next_steps": [ACT, SECOND], "on_completion": END}, SECOND=action(FORK)),
        SECOND,
        "",
        "out of a branch",
    ),
    ("a loop that nothing ends", more(LOOP, LOOP=BACK), LOOP, "condition", "nothing in the loop sets __n__"),
    ("a loop without an action", more(LOOP, LOOP={**BACK, "on_true": END, "on_completion": ACT}), LOOP, "on_true", "no action in the loop"),
    ("one branch at once", more(FORK, FORK={"type": "parallel", "next_steps": [ACT], "on_completion": END}), FORK, "next_steps", "2 to"),
    (
        "a bad condition",
        more(CHOICE, CHOICE={"type": "if-condition", "condition": "__n__:value >", "on_true": ACT, "on_completion": END}),
        CHOICE,
        "condition",
        "not a STIX comparison",
    ),
    (
        "a condition over time",
        more(
            CHOICE,
            CHOICE={
                "type": "if-condition",
                "condition": "[__n__:value = 1] FOLLOWEDBY [__n__:value = 2]",
                "on_true": ACT,
                "on_completion": END,
            },
        ),
        CHOICE,
        "condition",
        "FOLLOWEDBY",
    ),
    (
        "a condition of another type",
        more(CHOICE, CHOICE={"type": "if-condition", "condition": "__n__:value = 'many'", "on_true": ACT, "on_completion": END}),
        CHOICE,
        "condition",
        "not a whole number",
    ),
    (
        "a condition over nothing",
        more(CHOICE, CHOICE={"type": "if-condition", "condition": "__m__:value = 1", "on_true": ACT, "on_completion": END}),
        CHOICE,
        "condition",
        "no variable __m__",
    ),
    (
        "a case of another type",
        more(SWITCH, SWITCH={"type": "switch-condition", "switch": "__n__:value", "cases": {"many": ACT}, "on_completion": END}),
        SWITCH,
        "cases.many",
        "type integer",
    ),
    ("an unknown command", command(type="telnet", command="x"), ACT, "commands[0].type", "no command type 'telnet'"),
    ("a command of others", command(type="kestrel", command_b64="eA=="), ACT, "commands[0].type", "nothing here carries out kestrel"),
    ("no commands", step(commands=[]), ACT, "commands", "list of 1"),
    ("no target", command(type="ssh", command="id"), ACT, "targets", "ssh needs a target"),
    (
        "a target without an address",
        lambda plain: (command(type="ssh", command="id")(plain), step(targets=[PERSON])(plain)),
        ACT,
        "targets[0]",
        "not a individual",
    ),
    ("an unknown target", step(targets=[named("ssh", "other")]), ACT, "targets[0]", "no target"),
    ("an unknown agent", step(agent=named("group")), ACT, "agent", "no agent"),
    ("two texts of a command", command(type="bash", command="id", command_b64="aWQ="), ACT, "commands[0]", "either command or command_b64"),
    ("a value in a shell", command(type="bash", command="ping __host__:value"), ACT, "commands[0].command", "$TOCSIN_host"),
    ("no request", command(type="http-api", command="tickets"), ACT, "commands[0].command", "POST /api"),
    ("bad Base64", command(type="bash", command_b64="%%%"), ACT, "commands[0].command_b64", "Base64"),
    ("an unknown action", our_action(action="explode"), ACT, "commands[0].action", "isolate-host"),
    ("no connector", our_action(connector=None), ACT, "commands[0].connector", "required"),
    ("an argument missing", our_action(arguments={}), ACT, "commands[0].arguments.host", "needs it"),
    ("an unknown argument", our_action(arguments={"host": "a", "hots": "b"}), ACT, "commands[0].arguments.hots", "no such argument"),
    (
        "an argument of another type",
        our_action(action="block-address", arguments={"address": "web-1"}),
        ACT,
        "commands[0].arguments.address",
        "IPv4 or IPv6",
    ),
    ("a word that is none", our_action(arguments={"host": "a", "scope": "some"}), ACT, "commands[0].arguments.scope", "full or selective"),
    (
        "an end of something that has none",
        our_action(action="revoke-sessions", arguments={"user": "a"}, until="PT1H"),
        ACT,
        "commands[0].until",
        "has no end",
    ),
    ("a bad duration", our_action(until="soon"), ACT, "commands[0].until", "PT8H"),
    ("no time at all", our_action(until="PT0S"), ACT, "commands[0].until", "no time at all"),
    ("an instant nowhere", our_action(until="2026-12-24T18:00:00"), ACT, "commands[0].until", "end it with Z"),
    ("a fraction inside", our_action(until="PT1.5H30M"), ACT, "commands[0].until", "only the last part"),
    ("for ever", our_action(until="P11Y"), ACT, "commands[0].until", "longer than 10 years"),
    ("an undeclared variable", our_action(arguments={"host": "__server__:value"}), ACT, "commands[0]", "no variable __server__"),
    ("an undeclared out_arg", step(out_args=["__m__"]), ACT, "out_args[0]", "no variable __m__"),
    ("a name with :value", step(in_args=["__n__:value"]), ACT, "in_args[0]", "only the name"),
    (
        "a bad name",
        lambda plain: plain["playbook_variables"].update({"host": {"type": "string"}}),
        "",
        "playbook_variables.host",
        "two underscores",
    ),
    ("an unknown type", variable(type="number"), "", "playbook_variables.__x__.type", "no such type"),
    ("a value of another type", variable(type="ipv4-addr", value="web"), "", "playbook_variables.__x__.value", "IPv4"),
    ("a number that is no text", variable(type="integer", value=5), "", "playbook_variables.__x__.value", '"5"'),
    ("a constant without a value", variable(type="string", constant=True), "", "playbook_variables.__x__.constant", "needs a value"),
    (
        "an external variable of a step",
        step(step_variables={"__x__": {"type": "string", "external": True}}),
        ACT,
        "step_variables.__x__.external",
        "playbook_variables",
    ),
    (
        "a constant that is set",
        lambda plain: (variable(type="string", value="a", constant=True)(plain), step(out_args=["__x__"])(plain)),
        ACT,
        "out_args[0]",
        "constant",
    ),
    ("too many tries", options(retry={"attempts": 99}), ACT, "step_extensions.tocsin.retry.attempts", "from 1 to 20"),
    ("an unknown option", options(retries=3), ACT, "step_extensions.tocsin.retries", "did you mean retry?"),
    ("an unknown policy", options(on_unknown="guess"), ACT, "step_extensions.tocsin.on_unknown", "ask or skip or retry"),
    ("an option of others", options(join="any"), ACT, "step_extensions.tocsin.join", "only parallel"),
    ("a quorum of nobody", options(approval={"quorum": 0}), ACT, "step_extensions.tocsin.approval.quorum", "from 1 to 20"),
    (
        "an undo of what cannot be undone",
        lambda plain: (command(type="bash", command="id")(plain), options(undo_on_failure=True)(plain)),
        ACT,
        "step_extensions.tocsin.undo_on_failure",
        "none of its commands can be undone",
    ),
    (
        "a secret",
        top(authentication_info_definitions={named("user-auth"): {"type": "user-auth", "password": "hunter2"}}),
        "",
        f"authentication_info_definitions.{named('user-auth')}.password",
        "secret:NAME",
    ),
    (
        "an unknown secret",
        lambda plain: plain["target_definitions"][TARGET].update(authentication_info=named("oauth2")),
        "",
        f"target_definitions.{TARGET}.authentication_info",
        "define it",
    ),
]


def test_a_sound_playbook_has_no_problems():
    assert check.problems(sound()) == []
    assert check.checked(sound()).name == "sound"


@pytest.mark.parametrize(("change", "where", "field", "says"), [each[1:] for each in WRONG], ids=[each[0] for each in WRONG])
def test_what_is_wrong_is_named(change: Callable[[Plain], None], where: str, field: str, says: str):
    plain = sound()
    change(plain)
    workflow = {name: {key: each for key, each in one.items() if each is not None} for name, one in plain["workflow"].items()}
    found = check.errors({**plain, "workflow": workflow})
    assert any(each.step == where and each.field == field and says in each.detail for each in found), [str(each) for each in found]
    with pytest.raises(Invalid, match="playbook"):
        check.checked({**plain, "workflow": workflow})


def test_what_cannot_be_undone_and_nobody_approves_is_a_warning():
    plain = sound()
    our_action(action="reset-password", arguments={"user": "ana"})(plain)
    (found,) = check.problems(plain)
    assert found.warning and "approval" in found.detail


def test_a_loop_may_come_back_to_itself_and_a_branch_may_end_where_its_step_goes_on():
    """Playbooks in the wild are written so, and it is clear what is meant."""
    plain = sound()
    more(LOOP, LOOP=BACK | {"on_completion": CHOICE}, ACT=action(LOOP, out_args=["__n__"]))(plain)
    plain["workflow"][CHOICE] = {"type": "if-condition", "condition": "__n__:value = 0", "on_true": SECOND, "on_completion": END}
    plain["workflow"][SECOND] = action()
    assert check.problems(plain) == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "neither YAML nor JSON"),
        ("[1, 2]", "a playbook is an object"),
        ("a: &a [x]\nb: *a\n", "anchors"),
        ("x: " + "[" * 40 + "]" * 40, "nested deeper"),
        ("x: " + "y" * (1 << 21), "larger than"),
    ],
)
def test_a_file_that_is_no_playbook_is_refused(text: str, says: str):
    (found,) = loaded(text).errors
    assert says in found.detail


@pytest.mark.parametrize(
    ("text", "step", "says"),
    [
        ("- cut: {}", "cut", "say one thing"),
        ("- cut: {bash: a, ssh: b}", "cut", "say one thing"),
        ("- cut: {bash: a, tiemout: 5m}", "cut", "no such field"),
        ("- cut: {bash: a, timeout: soon}", "cut", "30s, 5m"),
        ("- cut: {bash: a}\n- cut: {bash: b}", "cut", "two steps of this name"),
        ("- cut: {bash: a}\n- next: nowhere", "", "no step nowhere"),
        ("- cut: {ssh: a, targets: [web]}", "cut", "no web in targets"),
        ("- cut: {bash: a, agent: web}", "cut", "no web in agents"),
        ("- cut", "", "one name with what it does"),
        ("- cut: isolate", "cut", "say what it does"),
    ],
)
def test_the_short_form_names_what_it_does_not_understand(text: str, step: str, says: str):
    found = loaded(f"playbook: bad\nsteps:\n{text}\n")
    assert any(each.step == step and says in each.detail for each in found.errors), [str(each) for each in found.errors]


def test_in_the_short_form_problems_name_the_step_by_its_name():
    (found,) = loaded("playbook: bad\nsteps:\n  - cut: {ssh: id}\n").errors
    assert found.step.startswith("cut (action--") and found.field == "targets"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
PLACES = [
    (),
    ("workflow",),
    ("workflow", ACT),
    ("workflow", ACT, "commands", 0),
    ("workflow", ACT, "step_extensions"),
    ("playbook_variables",),
    ("playbook_variables", "__n__"),
    ("target_definitions", TARGET),
]


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(PLACES), st.data(), JSON)
def test_whatever_stands_somewhere_the_check_answers(place: tuple[Any, ...], data: st.DataObject, value: Any):
    """Anything anybody may write: an answer, never an exception; and what has no errors can be read."""
    plain = json.loads(json.dumps(sound()))
    inside: Any = plain
    for each in place:
        inside = inside.setdefault(each, {}) if isinstance(inside, dict) else inside[each]
    inside[data.draw(st.sampled_from([*inside, "other"]))] = value
    found = understood(plain)
    if not found.errors:
        check.checked(plain)


@settings(max_examples=100, deadline=None)
@given(JSON, st.sampled_from(["steps", "variables", "agents", "targets", "on_exception", "step", "then"]))
def test_whatever_stands_in_the_short_form_the_check_answers(value: Any, place: str):
    plain: Plain = {"playbook": "x", "steps": [{"cut": {"bash": "id"}}]}
    if place == "step":
        plain["steps"][0]["cut"]["approval"] = value
    elif place == "then":
        plain["steps"].append({"if it is": {"if": "$x = 1", "then": value}})
    else:
        plain[place] = value
    understood(plain)
