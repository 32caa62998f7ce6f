"""Kubernetes: deployments with revisions, nodes, pods and network policies, patched as the API server patches."""

import copy
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tocsin_runner.twins.twin import SECRET, Twin, answer

ROLLOUT_SECONDS = 8.0
REVISION = "deployment.kubernetes.io/revision"


@dataclass(slots=True)
class KubernetesTwin(Twin):
    """One namespace and its nodes."""

    deployments: dict[str, dict[str, Any]] = field(default_factory=dict)
    sets: list[dict[str, Any]] = field(default_factory=list)
    nodes: dict[str, dict[str, Any]] = field(default_factory=dict)
    pods: dict[str, dict[str, Any]] = field(default_factory=dict)
    policies: dict[str, dict[str, Any]] = field(default_factory=dict)
    scalers: list[dict[str, Any]] = field(default_factory=list)
    due: dict[str, float] = field(default_factory=dict)
    stuck: bool = False

    name = "kubernetes"

    def __post_init__(self) -> None:
        old, new = _template("shop:1.0"), _template("shop:1.1")
        for revision, template in (("1", old), ("2", new)):
            labelled = copy.deepcopy(template)
            labelled["metadata"]["labels"]["pod-template-hash"] = f"hash{revision}"
            owner = [{"kind": "Deployment", "name": "checkout"}]
            about = {"name": f"checkout-{revision}", "annotations": {REVISION: revision}, "ownerReferences": owner}
            self.sets.append({"metadata": about, "spec": {"template": labelled}})
        metadata: dict[str, Any] = {"name": "checkout", "generation": 1, "resourceVersion": "10", "annotations": {REVISION: "2"}}
        self.deployments["checkout"] = {"metadata": metadata, "spec": {"replicas": 3, "template": new}, "status": _whole(3, 1)}
        self.nodes["node-1"] = {"metadata": {"name": "node-1", "annotations": {}}, "spec": {}}
        self.pods["checkout-x"] = {"metadata": {"name": "checkout-x", "labels": {"app": "checkout"}}}

    def refusal(self, request: Request, path: str) -> Response | None:
        """Everybody needs the token."""
        return None if request.headers.get("authorization") == f"Bearer {SECRET}token" else _status(401, "Unauthorized")

    def world(self) -> Any:
        """Everything."""
        self.settle()
        return {"deployments": self.deployments, "nodes": self.nodes, "pods": self.pods, "policies": self.policies}

    def settle(self) -> None:
        """Rollouts that had their time are whole."""
        for name, due in list(self.due.items()):
            found = self.deployments[name]
            if not self.stuck and due <= self.clock.now().timestamp():
                found["status"] = _whole(found["spec"]["replicas"], found["metadata"]["generation"])
                del self.due[name]
            elif self.stuck:
                found["status"]["conditions"] = [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]

    def patch(self, name: str, patch: Any) -> dict[str, Any] | None:
        """Change a deployment; None if somebody has changed it meanwhile."""
        found = self.deployments[name]
        changed: dict[str, Any] | None = _json_patched(found, patch) if isinstance(patch, list) else _merged(found, patch)
        if changed is None:
            return None
        if changed["spec"] != found["spec"]:
            changed["metadata"]["generation"] += 1
            self.due[name] = self.clock.now().timestamp() + ROLLOUT_SECONDS
        changed["metadata"]["resourceVersion"] = str(int(changed["metadata"]["resourceVersion"]) + 1)
        if not self.ignoring:
            self.deployments[name] = changed
        return changed

    def routes(self) -> list[BaseRoute]:
        """The addresses of the API server."""
        apps, core = "/apis/apps/v1/namespaces/{namespace}", "/api/v1"
        policies = "/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies"
        return [
            Route("/version", self._version),
            Route(apps + "/deployments/{name}", self._deployment, methods=["GET", "PATCH"]),
            Route(apps + "/deployments/{name}/scale", self._deployment, methods=["PATCH"]),
            Route(apps + "/replicasets", self._replicasets),
            Route("/apis/autoscaling/v2/namespaces/{namespace}/horizontalpodautoscalers", self._scalers),
            Route(core + "/nodes/{name}", self._node, methods=["GET", "PATCH"]),
            Route(core + "/namespaces/{namespace}/pods/{name}", self._pod, methods=["GET", "PATCH"]),
            Route(policies, self._create_policy, methods=["POST"]),
            Route(policies + "/{name}", self._policy, methods=["GET", "DELETE"]),
        ]

    async def _version(self, _: Request) -> Response:
        return answer({"gitVersion": "v1.34.0"})

    async def _deployment(self, request: Request) -> Response:
        self.settle()
        name = request.path_params["name"]
        if name not in self.deployments:
            return _status(404, f'deployments.apps "{name}" not found')
        if request.method == "GET":
            return answer(self.deployments[name])
        changed = self.patch(name, await request.json())
        return answer(changed) if changed else _status(409, "the object has been modified")

    async def _replicasets(self, _: Request) -> Response:
        return answer({"items": self.sets})

    async def _scalers(self, _: Request) -> Response:
        return answer({"items": self.scalers})

    async def _node(self, request: Request) -> Response:
        return await self._patched(request, self.nodes)

    async def _pod(self, request: Request) -> Response:
        return await self._patched(request, self.pods)

    async def _patched(self, request: Request, things: dict[str, dict[str, Any]]) -> Response:
        name = request.path_params["name"]
        if name not in things:
            return _status(404, f'"{name}" not found')
        if request.method == "PATCH":
            changed = _merged(things[name], await request.json())
            if self.ignoring:
                return answer(changed)
            things[name] = changed
        return answer(things[name])

    async def _create_policy(self, request: Request) -> Response:
        said = await request.json()
        if said["metadata"]["name"] in self.policies:
            return _status(409, "already exists")
        if not self.ignoring:
            self.policies[said["metadata"]["name"]] = said
        return answer(said, 201)

    async def _policy(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in self.policies:
            return _status(404, f'networkpolicies "{name}" not found')
        found = self.policies[name]
        if request.method == "DELETE" and not self.ignoring:
            del self.policies[name]
        return answer(found)


def _template(image: str) -> dict[str, Any]:
    return {"metadata": {"labels": {"app": "checkout"}}, "spec": {"containers": [{"name": "shop", "image": image}]}}


def _whole(replicas: int, generation: int) -> dict[str, Any]:
    counts = dict.fromkeys(("replicas", "updatedReplicas", "availableReplicas"), replicas)
    return {"observedGeneration": generation, **counts, "conditions": [{"type": "Progressing", "status": "True"}]}


def _merged(thing: Any, patch: Any) -> Any:
    """RFC 7396."""
    if not isinstance(patch, dict):
        return patch
    made = dict(thing) if isinstance(thing, dict) else {}
    for name, value in patch.items():
        if value is None:
            made.pop(name, None)
        else:
            made[name] = _merged(made.get(name), value)
    return copy.deepcopy(made)


def _json_patched(thing: Any, patch: list[Any]) -> Any:
    """The three operations of RFC 6902 that are needed; None if a test fails."""
    made = copy.deepcopy(thing)
    for operation in patch:
        *way, last = operation["path"].strip("/").split("/")
        place = made
        for name in way:
            place = place[name]
        if operation["op"] == "test" and place.get(last) != operation["value"]:
            return None
        if operation["op"] == "replace":
            place[last] = operation["value"]
        if operation["op"] == "remove":
            place.pop(last, None)
    return made


def _status(code: int, message: str) -> Response:
    return answer({"kind": "Status", "status": "Failure", "message": message, "code": code}, code)
