"""AWS: keys and policies of IAM users, and instances of EC2 with their network interfaces; every request must be signed."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, quote
from xml.sax.saxutils import escape

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tocsin_runner.connectors.signature import signed
from tocsin_runner.http import Request as Outgoing
from tocsin_runner.twins.twin import SECRET, Twin, form

SECONDS_TO_COPY = 8.0


@dataclass(slots=True)
class AwsTwin(Twin):
    """One account."""

    keys: dict[str, dict[str, str]] = field(default_factory=lambda: {"ada": {"AKIAADA1": "Active", "AKIAADA2": "Inactive"}, "ben": {}})
    policies: dict[str, dict[str, str]] = field(default_factory=lambda: {"ada": {}, "ben": {}})
    interfaces: dict[str, list[str]] = field(default_factory=lambda: {"eni-1": ["sg-web", "sg-ssh"], "eni-2": ["sg-db"]})
    scaled: bool = False
    snapshots: list[dict[str, Any]] = field(default_factory=list)
    slow: bool = False
    """True if snapshots do not get on."""

    name = "aws"

    def refusal(self, request: Request, path: str) -> Response | None:
        """Whether it is signed at all; the body is needed for the rest."""
        if request.headers.get("authorization", "").startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"):
            return None
        return _error(403, "MissingAuthenticationToken", "Request is missing Authentication Token")

    def world(self) -> Any:
        """Keys, policies, groups."""
        self.settle()
        return {"keys": self.keys, "policies": self.policies, "interfaces": self.interfaces, "snapshots": self.snapshots}

    def settle(self) -> None:
        """Snapshots that had their time are complete."""
        for each in self.snapshots:
            if not self.slow and each["due"] <= self.clock.now().timestamp():
                each["status"] = "completed"

    def label(self, body: bytes) -> str:
        """All requests have the same address; the action tells them apart."""
        return dict(parse_qsl(body.decode())).get("Action", "")

    def routes(self) -> list[BaseRoute]:
        """The Query API."""
        return [Route("/", self._query, methods=["POST"])]

    async def _query(self, request: Request) -> Response:
        if not await _is_signed(request):
            return _error(403, "SignatureDoesNotMatch", "The request signature we calculated does not match")
        said = await form(request)
        acts: dict[str, Callable[[], Response]] = {
            "GetUser": lambda: _answer("GetUser", "<User><UserName>tocsin</UserName></User>"),
            "ListAccessKeys": lambda: self._list_keys(said),
            "UpdateAccessKey": lambda: self._update_key(said),
            "GetUserPolicy": lambda: self._get_policy(said),
            "PutUserPolicy": lambda: self._put_policy(said),
            "DeleteUserPolicy": lambda: self._delete_policy(said),
            "DescribeInstances": lambda: self._describe(said),
            "ModifyNetworkInterfaceAttribute": lambda: self._modify(said),
            "DescribeSnapshots": lambda: self._list_snapshots(said),
            "CreateSnapshots": lambda: self._create_snapshots(said),
        }
        act = acts.get(said.get("Action", ""))
        return act() if act else _error(400, "InvalidAction", "The action is not valid")

    def _list_keys(self, said: dict[str, str]) -> Response:
        if said["UserName"] not in self.keys:
            return _no_user(said["UserName"])
        members = "".join(
            f"<member><AccessKeyId>{key}</AccessKeyId><Status>{status}</Status></member>"
            for key, status in self.keys[said["UserName"]].items()
        )
        return _answer("ListAccessKeys", f"<AccessKeyMetadata>{members}</AccessKeyMetadata>")

    def _update_key(self, said: dict[str, str]) -> Response:
        if said["AccessKeyId"] not in self.keys.get(said["UserName"], {}):
            return _error(404, "NoSuchEntity", "The Access Key cannot be found")
        if not self.ignoring:
            self.keys[said["UserName"]][said["AccessKeyId"]] = said["Status"]
        return _answer("UpdateAccessKey", "")

    def _get_policy(self, said: dict[str, str]) -> Response:
        if said["UserName"] not in self.policies:
            return _no_user(said["UserName"])
        document = self.policies[said["UserName"]].get(said["PolicyName"])
        if document is None:
            return _error(404, "NoSuchEntity", f"The user policy with name {said['PolicyName']} cannot be found.")
        return _answer("GetUserPolicy", f"<PolicyDocument>{escape(quote(document))}</PolicyDocument>")

    def _put_policy(self, said: dict[str, str]) -> Response:
        if not self.ignoring:
            self.policies[said["UserName"]][said["PolicyName"]] = said["PolicyDocument"]
        return _answer("PutUserPolicy", "")

    def _delete_policy(self, said: dict[str, str]) -> Response:
        if not self.ignoring:
            self.policies[said["UserName"]].pop(said["PolicyName"], None)
        return _answer("DeleteUserPolicy", "")

    def _list_snapshots(self, said: dict[str, str]) -> Response:
        self.settle()
        found = [each for each in self.snapshots if each["tag"] == said["Filter.1.Value.1"]]
        items = "".join(f"<item><snapshotId>{each['id']}</snapshotId><status>{each['status']}</status></item>" for each in found)
        return _xml(f"<DescribeSnapshotsResponse><snapshotSet>{items}</snapshotSet></DescribeSnapshotsResponse>")

    def _create_snapshots(self, said: dict[str, str]) -> Response:
        made = [f"snap-{len(self.snapshots) + number}" for number in (1, 2)]
        if not self.ignoring:
            due = self.clock.now().timestamp() + SECONDS_TO_COPY
            tag = said["TagSpecification.1.Tag.1.Value"]
            self.snapshots += [{"id": name, "status": "pending", "tag": tag, "due": due} for name in made]
        items = "".join(f"<item><snapshotId>{name}</snapshotId><state>pending</state></item>" for name in made)
        return _xml(f"<CreateSnapshotsResponse><snapshotSet>{items}</snapshotSet></CreateSnapshotsResponse>")

    def _describe(self, said: dict[str, str]) -> Response:
        if said["InstanceId.1"] != "i-1":
            return _xml("<Response><Errors><Error><Code>InvalidInstanceID.NotFound</Code></Error></Errors></Response>", 400)
        interfaces = "".join(
            f"<item><networkInterfaceId>{name}</networkInterfaceId><groupSet>"
            + "".join(f"<item><groupId>{group}</groupId></item>" for group in groups)
            + "</groupSet></item>"
            for name, groups in self.interfaces.items()
        )
        tag = "<item><key>aws:autoscaling:groupName</key><value>web</value></item>" if self.scaled else ""
        instance = f"<item><instanceId>i-1</instanceId><networkInterfaceSet>{interfaces}</networkInterfaceSet><tagSet>{tag}</tagSet></item>"
        inner = f"<reservationSet><item><instancesSet>{instance}</instancesSet></item></reservationSet>"
        return _xml(f"<DescribeInstancesResponse>{inner}</DescribeInstancesResponse>")

    def _modify(self, said: dict[str, str]) -> Response:
        groups = [value for name, value in said.items() if name.startswith("SecurityGroupId.")]
        if said["NetworkInterfaceId"] not in self.interfaces or not groups:
            return _xml("<Response><Errors><Error><Code>InvalidParameterValue</Code></Error></Errors></Response>", 400)
        if not self.ignoring:
            self.interfaces[said["NetworkInterfaceId"]] = groups
        return _xml("<ModifyNetworkInterfaceAttributeResponse><return>true</return></ModifyNetworkInterfaceAttributeResponse>")


async def _is_signed(request: Request) -> bool:
    """Sign it again, with what both sides know."""
    given = request.headers["authorization"]
    scope = given.partition("Credential=")[2].partition(",")[0].split("/")
    at = datetime.strptime(request.headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    again = Outgoing("POST", str(request.url), {"content-type": request.headers.get("content-type", "")}, await request.body())
    headers = signed(again, key_id=scope[0], secret=f"{SECRET}secret_key", region=scope[2], service=scope[3], at=at)
    return headers["authorization"] == given


def _answer(action: str, inner: str) -> Response:
    result = f"<{action}Result>{inner}</{action}Result>" if inner else ""
    return _xml(f'<{action}Response xmlns="https://iam.amazonaws.com/doc/2010-05-08/">{result}</{action}Response>')


def _no_user(user: str) -> Response:
    return _error(404, "NoSuchEntity", f"The user with name {escape(user)} cannot be found.")


def _error(status: int, code: str, message: str) -> Response:
    return _xml(f"<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>", status)


def _xml(text: str, status: int = 200) -> Response:
    return Response(text, status, media_type="text/xml")
