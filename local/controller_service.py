"""The controller, asked through the API server what it does or waits for."""

import http.client
import json

from local.errors import LocalError
from local.kube import Kube, is_ready

NAME = "etcd-controller"
PORT = 8080
SELECTOR = f"app.kubernetes.io/name={NAME}"

ANSWER_TIMEOUT = 3.0


def says(kube: Kube, namespace: str) -> str:
    """What the controller decided last, in its own words; or else why it does not say."""
    pods = [
        pod
        for pod in kube.list("v1", "Pod", namespace, SELECTOR)
        if is_ready(pod) and "deletionTimestamp" not in pod["metadata"]
    ]
    if not pods:
        return f"no pod of {NAME} is ready"
    try:
        forward = kube.forward(namespace, pods[0]["metadata"]["name"], PORT)
    except LocalError as error:
        return str(error)
    connection = forward.http(NAME, PORT, ANSWER_TIMEOUT)
    try:
        connection.request("GET", "/decision")
        return str(json.loads(connection.getresponse().read())["says"])
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
        return f"{NAME} does not answer: {forward.error() or error}"
    finally:
        connection.close()
