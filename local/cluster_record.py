"""The record of etcd's members, ConfigMap `etcd-cluster`: the controller decides, people ask for something in it."""

import json
import secrets
from dataclasses import asdict, dataclass
from typing import Any

from local.errors import LocalError
from local.kube import Kube, Object, describe

FIELD_MANAGER = "ha-counter-request"

# What may be asked for: see app/controller/record.py.
CONTINUE = "continue"
SNAPSHOT = "snapshot"
EMPTY = "empty"
MEMBER = "member"
REPLACE = "replace"

FIRST_EPOCH = 1


@dataclass(frozen=True)
class Request:
    """What a person asks for.

    Attributes:
        id: Sets it apart from every other request.
        wish: CONTINUE, SNAPSHOT, MEMBER, EMPTY or REPLACE.
        snapshot: Its name, for SNAPSHOT.
        member: The number, for MEMBER and REPLACE.
    """

    id: str
    wish: str
    snapshot: str = ""
    member: int = -1

    def __str__(self) -> str:
        match self.wish:
            case "continue":
                return "SNAPSHOT=latest"
            case "snapshot":
                return f"SNAPSHOT={self.snapshot}"
            case "empty":
                return "EMPTY=yes"
            case "replace":
                return f"replace-member N={self.member}"
        return f"{self.wish} {self.member}"


@dataclass(frozen=True)
class ClusterRecord:
    """The record as it is read.

    Attributes:
        epoch: The newest that was decided on.
        size: How many members it is to have; 0 before anything was decided.
        voters: The members that vote.
        is_changing: Whether members or pods are being added or removed.
        request: What was asked for last, if it was not withdrawn.
        is_done: Whether that is done.
    """

    epoch: int
    size: int
    voters: tuple[int, ...]
    is_changing: bool
    request: Request | None
    is_done: bool

    @property
    def open_request(self) -> Request | None:
        """What was asked for and is not done."""
        return None if self.is_done else self.request


def new_request(wish: str, snapshot: str = "", member: int = -1) -> Request:
    """A request that was not made before."""
    return Request(secrets.token_hex(8), wish, snapshot, member)


def read(kube: Kube, namespace: str) -> ClusterRecord:
    """Raises LocalError if there is no record, or one that can't be read."""
    live = kube.get(_config_map(namespace))
    if live is None:
        raise LocalError(f"there is no {describe(_config_map(namespace))}; `make up` makes it")
    data = live.get("data") or {}
    try:
        return _record(data)
    except (KeyError, TypeError, ValueError) as error:
        raise LocalError(f"{describe(_config_map(namespace))} can't be read: {error!r}") from error


def ask(kube: Kube, namespace: str, request: Request) -> None:
    """Ask for something, in the place of whatever was asked for before."""
    kube.patch(_config_map(namespace), {"data": {"request": json.dumps(asdict(request))}}, FIELD_MANAGER)


def _record(data: dict[str, str]) -> ClusterRecord:
    cluster: dict[str, Any] | None = json.loads(data["cluster"]) if data.get("cluster") else None
    request = Request(**json.loads(data["request"])) if data.get("request") else None
    step = json.loads(data["step"]) if data.get("step") else ["", ""]
    return ClusterRecord(
        epoch=cluster["epoch"]["number"] if cluster else int(data.get("epoch", FIRST_EPOCH)),
        size=cluster["size"] if cluster else 0,
        voters=tuple(one["member"] for one in cluster["voters"] if not one["learner"]) if cluster else (),
        is_changing=cluster is not None and (cluster["change"] is not None or cluster["scaling"]),
        request=request,
        is_done=request is not None and step == [request.id, "done"],
    )


def _config_map(namespace: str) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": namespace, "name": "etcd-cluster"}}
