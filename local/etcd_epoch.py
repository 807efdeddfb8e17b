"""The key `epoch`, by which clients of etcd know which epoch it is in.

A restore file brings it along. Where etcd begins with nothing it is put there, through the API server.
"""

import base64
import http.client
import json

from local.errors import LocalError
from local.kube import Kube

KEY = "epoch"
MEMBER = "etcd-0"
PORT = 2379
ANSWER_TIMEOUT = 10.0


def put(kube: Kube, namespace: str, epoch: int) -> None:
    """Put it. May be repeated. Raises LocalError if etcd does not take it."""
    body = json.dumps({"key": _coded(KEY), "value": _coded(str(epoch))})
    forward = kube.forward(namespace, MEMBER, PORT)
    connection = forward.http(MEMBER, PORT, ANSWER_TIMEOUT)
    try:
        connection.request("POST", "/v3/kv/put", body)
        response = connection.getresponse()
        answer = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise LocalError(f"{MEMBER} did not take the key {KEY!r}: {forward.error() or error}") from error
    finally:
        connection.close()
    if response.status != 200:
        raise LocalError(f"{MEMBER} did not take the key {KEY!r}: {response.status} {answer[:200]!r}")


def _coded(text: str) -> str:
    """As etcd's JSON has it: keys and values may be any bytes."""
    return base64.b64encode(text.encode()).decode()
