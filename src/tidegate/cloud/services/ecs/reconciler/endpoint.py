"""What containers reach of ECS: the credentials of their task role, metadata, scale-in protection; and all of AWS.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-metadata-endpoint-v4-fargate.html
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-scale-in-protection-endpoint.html

Who knows a task's secret, which its containers have in their environment, is that task.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tidegate.cloud.call import Calls
from tidegate.cloud.clock import Clock
from tidegate.cloud.documents import from_json
from tidegate.cloud.errors import ServiceError
from tidegate.cloud.planes.docker.endpoint import Endpoint
from tidegate.cloud.planes.docker.pods import Pods
from tidegate.cloud.services.ecs.containers import role
from tidegate.cloud.services.ecs.metadata import container_metadata, task_metadata
from tidegate.cloud.services.ecs.model import STOPPED, TASK_ENDPOINT, EcsModel, TaskRecord, pod_name, task_key
from tidegate.cloud.services.ecs.reconciler.roles import Roles
from tidegate.cloud.store import Key

if TYPE_CHECKING:
    from types_boto3_ecs import type_defs as t

_FRESH = timedelta(minutes=20)  # credentials with less left are not given out any more
_PROTECTION = "task-protection/v1/state"
_LARGEST = 64 * 1024  # bytes of a request

Answer = tuple[int, Any]


class TaskEndpoint:
    """An ASGI application below `TASK_ENDPOINT`: REGION/CLUSTER/TASK/SECRET, then what is asked for."""

    def __init__(
        self,
        model: EcsModel,
        calls: Calls,
        clock: Clock,
        pods: Pods,
        roles: Roles,
        endpoint: Endpoint,
        listen: Callable[[str], None],
        port: int,
    ) -> None:
        """`listen` has the daemon's `port` served at an address as well."""
        self._model = model
        self._calls = calls
        self._clock = clock
        self._pods = pods
        self._roles = roles
        self._endpoint = endpoint
        self._listen = listen
        self._port = port
        self._credentials: dict[Key, Mapping[str, Any]] = {}

    async def open(self, key: Key) -> float | None:
        """Be there for the tasks that run since before the daemon was started."""
        address = await self._endpoint.ensure()
        if address is not None:
            self._listen(address)
        return None

    async def environment(self, record: TaskRecord, container: str) -> dict[str, str]:
        """Return the variables by which a container finds all this; none where it cannot be reached."""
        address = await self._endpoint.ensure()
        if address is None or "secret" not in record:
            return {}
        self._listen(address)
        host = f"http://{address}:{self._port}"
        base = f"{host}{TASK_ENDPOINT}{'/'.join(task_key(record))}/{record['secret']}"
        variables = {
            "AWS_ENDPOINT_URL": host,
            "ECS_CONTAINER_METADATA_URI": f"{base}/v4/{container}",
            "ECS_CONTAINER_METADATA_URI_V4": f"{base}/v4/{container}",
            "ECS_AGENT_URI": f"{base}/api",
        }
        definition = self._definition(record)
        if definition is not None and role(record, definition, "taskRoleArn") is not None:
            variables["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = f"{base}/credentials"
        return variables

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one HTTP request (ASGI 3)."""
        region, cluster, task, secret, *rest = scope["path"].removeprefix(TASK_ENDPOINT).split("/") + [""] * 4
        record = self._model.tasks.get(region, cluster, task)
        known = "" if record is None else record.get("secret", "")
        if record is None or not known or not hmac.compare_digest(known.encode(), secret.encode()):
            status, answer = 404, {"message": "there is no such task"}
        else:
            asked = "/".join(rest).rstrip("/")
            body = await _body(receive) if scope["method"] == "PUT" else b""
            status, answer = await self._answer((region, cluster, task), record, scope["method"], asked, body)
        content = json.dumps(answer).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    async def _answer(self, key: Key, record: TaskRecord, method: str, asked: str, body: bytes) -> Answer:
        definition = self._definition(record)
        if definition is None or record["task"]["lastStatus"] == STOPPED:
            return 404, {"message": "the task is over"}
        if asked == "credentials" and method == "GET":
            return await self._give_credentials(key, record, definition)
        if asked == f"api/{_PROTECTION}" and method in ("GET", "PUT"):
            return await self._protect(key, record, definition, body)
        version, _, path = asked.partition("/")
        container, _, what = path.partition("/")
        if version != "v4" or method != "GET":
            return 404, {"message": "there is nothing here"}
        try:
            return await self._metadata(key, record, definition, container, what)
        except KeyError:
            return 404, {"message": f"the task has no container {container}"}

    async def _metadata(
        self, key: Key, record: TaskRecord, definition: t.TaskDefinitionTypeDef, container: str, what: str
    ) -> Answer:
        names = [each["name"] for each in record["task"]["containers"]]
        if what == "task":
            return 200, task_metadata(record, definition)
        if what == "taskWithTags":
            tags = {each["key"]: each["value"] for each in record["task"].get("tags", [])}
            return 200, task_metadata(record, definition, tags=tags)
        if what == "stats":
            return 200, await self._pods.stats(pod_name(key), container)
        if what == "task/stats":
            found = {name: await self._pods.stats(pod_name(key), name) for name in names}
            ids = {each["name"]: each.get("runtimeId", each["name"]) for each in record["task"]["containers"]}
            return 200, {ids[name]: each for name, each in found.items()}
        if what:
            return 404, {"message": "there is nothing here"}
        return 200, container_metadata(record, definition, container)

    async def _give_credentials(self, key: Key, record: TaskRecord, definition: t.TaskDefinitionTypeDef) -> Answer:
        arn = role(record, definition, "taskRoleArn")
        if arn is None:
            return 404, {"code": "NoIdInRequest", "message": "the task has no role"}
        now = self._clock.now()
        known = self._credentials.get(key)
        if known is None or known["Expiration"] - now < _FRESH:
            self._credentials = {at: each for at, each in self._credentials.items() if each["Expiration"] > now}
            try:
                known = self._credentials[key] = (await self._roles.task(record)).credentials
            except ServiceError as error:
                return 500, {"code": error.code, "message": error.message}
        return 200, {
            "RoleArn": arn,
            "AccessKeyId": known["AccessKeyId"],
            "SecretAccessKey": known["SecretAccessKey"],
            "Token": known["SessionToken"],
            "Expiration": known["Expiration"].strftime("%Y-%m-%dT%H:%M:%SZ"),
        }

    async def _protect(self, key: Key, record: TaskRecord, definition: t.TaskDefinitionTypeDef, body: bytes) -> Answer:
        """Read or change the task's protection, as its task role."""
        request: dict[str, Any] = {"cluster": key[1], "tasks": [key[2]]}
        try:
            caller = await self._roles.task(record)
            if body:
                given = from_json(body)
                request["protectionEnabled"] = bool(given["ProtectionEnabled"])
                if "ExpiresInMinutes" in given:
                    request["expiresInMinutes"] = int(given["ExpiresInMinutes"])
                answer = await caller("ecs", "update_task_protection", **request)
            else:
                answer = await caller("ecs", "get_task_protection", **request)
        except ServiceError as error:
            why = {"Arn": record["task"]["taskArn"], "Code": error.code, "Message": error.message}
            return error.status, {"requestID": self._clock.new_id(), "error": why}
        except (ValueError, KeyError, TypeError):
            why = {"Arn": record["task"]["taskArn"], "Code": "InvalidParameterException", "Message": "Invalid request"}
            return 400, {"error": why}
        if answer["failures"]:
            failure = answer["failures"][0]
            return 200, {"failure": {"Arn": failure["arn"], "Reason": failure["reason"]}}
        shown = answer["protectedTasks"][0]
        until = shown.get("expirationDate")
        expires = {} if until is None else {"ExpirationDate": until.strftime("%Y-%m-%dT%H:%M:%SZ")}
        return 200, {
            "protection": {"ProtectionEnabled": shown["protectionEnabled"], **expires, "TaskArn": shown["taskArn"]}
        }

    def _definition(self, record: TaskRecord) -> t.TaskDefinitionTypeDef | None:
        found = self._model.definition_by_arn(record["definition"])
        return None if found is None else found["definition"]


async def _body(receive: Any) -> bytes:
    content, more = b"", True
    while more and len(content) <= _LARGEST:
        message = await receive()
        content += message.get("body", b"")
        more = message.get("more_body", False)
    return content
