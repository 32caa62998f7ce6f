"""How Alertmanager's API v2 words silences. Those of a key are about its own integration alone: a matcher that it never sees says so."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from tocsin_detection.intake.alertmanager_shapes import instant
from tocsin_detection.intake.decoding import Undecodable, decode_instant, decode_json
from tocsin_detection.intake.intake import HttpAnswer, Request, json_answer
from tocsin_detection.noise.matcher import Matcher, MatcherInvalid, Matchers, Operator, match_nothing_said, matcher
from tocsin_detection.noise.silence import Silence, Wanted
from tocsin_detection.signal import one_line, storable

MOST_COMMENT = 1_000
MOST_AUTHOR = 200
# What go-openapi answers of a body that is JSON and not of the schema.
REQUIRED, TOO_FEW, WRONG_TYPE = 602, 612, 601


class Refused(Exception):
    """What was posted is no silence; `answer` says why, as the client expects."""

    def __init__(self, answer: HttpAnswer) -> None:
        super().__init__(answer.body.decode())
        self.answer = answer


@dataclass(frozen=True, slots=True)
class Posted:
    """A silence that was posted: `id` names the one to change, empty where it is new."""

    id: str
    wanted: Wanted
    by: str


def posted_silence(request: Request) -> Posted:
    """Raises Refused, MatcherInvalid."""
    body = _object(request)
    # The order in which the real one checks.
    for name, kind in (("comment", str), ("createdBy", str), ("endsAt", str), ("matchers", list), ("startsAt", str)):
        _require(body, name, kind)
    if not body["matchers"]:
        raise _unprocessable(TOO_FEW, "matchers in body should have at least 1 items")
    own = _own(request.integration.name)
    given = tuple(found for index, item in enumerate(body["matchers"]) if (found := _matcher(item, index)) != own)
    if match_nothing_said(given):
        raise Refused(json_answer(400, "silence invalid: at least one matcher must not match the empty string"))
    starts_at, ends_at = _instant(body, "startsAt"), _instant(body, "endsAt")
    if starts_at >= ends_at:
        raise Refused(json_answer(400, "Failed to create silence: start time must be before end time"))
    comment = one_line(storable(body["comment"]), MOST_COMMENT) or "no comment was given"
    by = one_line(storable(body["createdBy"]), MOST_AUTHOR) or request.integration.name
    identity = body.get("id")
    wanted = Wanted((*given, own), starts_at, ends_at, comment)
    return Posted(identity if isinstance(identity, str) else "", wanted, by)


def belongs(silence: Silence, integration: str) -> bool:
    """Whether a silence is about one integration alone."""
    return _own(integration) in silence.matchers


def shown_matchers(silence: Silence, integration: str) -> Matchers:
    """The matchers as the client knows them."""
    return tuple(found for found in silence.matchers if found != _own(integration))


def gettable_silence(silence: Silence, integration: str, now: datetime) -> dict[str, object]:
    return {
        "id": silence.id,
        "status": {"state": silence.state(now).lower()},
        "updatedAt": instant(silence.updated_at),
        "comment": silence.comment,
        "createdBy": silence.created_by,
        "endsAt": instant(silence.ends_at),
        "matchers": [_shown(found) for found in shown_matchers(silence, integration)],
        "startsAt": instant(silence.starts_at),
        "annotations": {},
    }


def is_id(text: str) -> bool:
    """Whether a silence may have this id."""
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def no_id(text: str) -> HttpAnswer:
    """The answer to a path that should hold an id."""
    return _unprocessable(WRONG_TYPE, f'silenceID in path must be of type uuid: "{text}"').answer


def _own(integration: str) -> Matcher:
    return Matcher("integration", Operator.EQUAL, integration)


def _shown(found: Matcher) -> dict[str, object]:
    return {
        "isEqual": found.operator in (Operator.EQUAL, Operator.LIKE),
        "isRegex": found.operator in (Operator.LIKE, Operator.UNLIKE),
        "name": found.name,
        "value": found.text,
    }


def _matcher(given: object, index: int) -> Matcher:
    field = f"matchers.{index}"
    if not isinstance(given, dict):
        raise _malformed(f"{field}: it is not a JSON object")
    for name, kind in (("isRegex", bool), ("name", str), ("value", str)):
        _require(given, name, kind, f"{field}.")
    equal = given.get("isEqual")
    operators = (Operator.LIKE, Operator.UNLIKE) if given["isRegex"] else (Operator.EQUAL, Operator.DIFFERENT)
    try:
        return matcher(given["name"], operators[equal is False], given["value"], field)
    except MatcherInvalid as error:
        raise Refused(json_answer(400, f"silence invalid: invalid label matcher {index}: {error}")) from error


def _object(request: Request) -> Mapping[str, Any]:
    try:
        body = decode_json(request.body)
    except Undecodable as error:
        raise _malformed(str(error)) from error
    if not isinstance(body, dict):
        raise _malformed("it is not a JSON object")
    return body


def _require(given: Mapping[str, Any], name: str, kind: type, before: str = "") -> None:
    if given.get(name) is None:
        raise _unprocessable(REQUIRED, f"{before}{name} in body is required")
    if not isinstance(given[name], kind):
        raise _malformed(f"{before}{name} is not of the right type")


def _instant(body: Mapping[str, Any], name: str) -> datetime:
    try:
        found = decode_instant(body[name])
    except ValueError as error:
        raise _malformed(f"{name}: {error}") from error
    if found is None:
        raise _unprocessable(REQUIRED, f"{name} in body is required")
    return found


def _malformed(why: str) -> Refused:
    return Refused(json_answer(400, {"code": 400, "message": f'parsing silence body from "" failed, because {why}'}))


def _unprocessable(code: int, why: str) -> Refused:
    return Refused(json_answer(422, {"code": code, "message": why}))
