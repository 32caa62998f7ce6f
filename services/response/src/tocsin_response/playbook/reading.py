"""Texts of playbooks: the short form and CACAO v2.0, read, checked, planned and written by the rules of playbooks."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from tocsin.response.v1.playbook_pb2 import Plan

from tocsin_playbook.playbook import Playbook
from tocsin_playbook.playbook import read as read_plain
from tocsin_response.playbook.runs import Shown


@dataclass(frozen=True, slots=True)
class Checked:
    """What is wrong with a text, and what is only remarkable."""

    problems: list[str]
    warnings: list[str]


def read(content: str) -> Playbook:
    """The playbook in a text that was found well-formed."""
    return read_plain(json.loads(content))


def check(content: str) -> Checked:
    """Whether a text is a playbook."""
    try:
        read(content)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        return Checked([f"is no CACAO v2.0 playbook in JSON: {type(error).__name__} {error}"], [])
    return Checked([], [])


def plan(playbook: Playbook, variables: Mapping[str, str | None]) -> Plan:
    return Plan()


def as_cacao(content: str) -> str:
    return content


def exported(shown: Shown) -> str:
    return ""
