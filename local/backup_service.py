"""The Service etcd-backup, asked over HTTP through the API server: that takes no node port, and no kubectl."""

import http.client
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from local import backup_answers
from local.backup_answers import PENDING, PROVEN, Job, Overview, RestoreFile, Snapshot
from local.errors import LocalError
from local.kube import Kube, Object, is_ready
from local.port_forward import BLOCK
from local.steps import Report

NAME = "etcd-backup"
PORT = 8080

ANSWER_TIMEOUT = 10.0
SAVE_TIMEOUT = 120.0  # for all of etcd's data to be read and written
UPLOAD_TIMEOUT = 600.0  # for a file to be written, and for an etcd to start from it
PROOF_TIMEOUT = 300.0
POLL_INTERVAL = 0.3


class BackupError(LocalError):
    """Backup said that it can't do what it was asked to."""


class NoAnswerError(LocalError):
    """Backup is not there, or does not answer."""


class BackupService:
    """The backup of the deployment in one namespace. All methods raise BackupError and NoAnswerError."""

    def __init__(self, kube: Kube, namespace: str) -> None:
        self._kube = kube
        self._namespace = namespace

    def overview(self, timeout: float = ANSWER_TIMEOUT) -> Overview:
        return backup_answers.overview(self._ask("GET", "/snapshots", timeout=timeout))

    def take(self, reason: str, timeout: float = SAVE_TIMEOUT) -> Snapshot:
        """Take a snapshot. It is saved by then, but not proven yet."""
        return backup_answers.snapshot(self._ask("POST", f"/snapshots?reason={quote(reason)}", timeout=timeout))

    def wait_until_proven(self, snapshot: Snapshot, timeout: float = PROOF_TIMEOUT) -> Snapshot:
        """The snapshot as it is listed once it is proven. Raises BackupError if it can't be, or is not in time."""
        deadline = time.monotonic() + timeout
        while True:
            found = self.overview().find(snapshot.name)
            if found is None:
                raise BackupError(f"snapshot {snapshot.name} is not listed any more; see the logs of {NAME}")
            if found.proven == PROVEN:
                return found
            if found.proven != PENDING:
                raise BackupError(f"snapshot {snapshot.name} was saved, but is not known to restore: {found.proven}")
            if time.monotonic() > deadline:
                raise BackupError(f"snapshot {snapshot.name} was saved, but not proven within {timeout:.0f} s")
            time.sleep(POLL_INTERVAL)

    def make_restore_file(self, snapshot: str, report: Report, after_epoch: int = 0) -> RestoreFile:
        """Have a restore file made of a snapshot ("latest": of the newest that is proven and the log after it).

        Its epoch comes after `after_epoch`, and after all that backup knows of.
        """
        wanted = {"snapshot": snapshot, "after_epoch": after_epoch}
        begun = self._ask("POST", "/restore-files", json.dumps(wanted).encode())
        while True:
            job = self._job(begun["id"])
            if job.state == "failed":
                raise BackupError(f"no restore file could be made of {snapshot}: {job.error}")
            if job.state == "done" and job.file is not None:
                return job.file
            report(f"{job.step}, {job.done} of {job.of}" if job.of else job.step)
            time.sleep(POLL_INTERVAL)

    def download(self, name: str) -> Iterator[bytes]:
        """The bytes of a snapshot or a restore file. They may end early: compare them with the checksum."""
        with self._response("GET", f"/files/{quote(name)}") as response:
            while block := response.read(BLOCK):
                yield block

    def upload(self, file: Path, report: Report) -> Snapshot:
        """Hand over a snapshot from this machine; it is proven by then."""
        size = file.stat().st_size
        with file.open("rb") as content:
            body = _Reported(content, size, report)
            return backup_answers.snapshot(
                self._ask(
                    "PUT",
                    "/files",
                    body,
                    {"Content-Type": "application/octet-stream", "Content-Length": str(size)},
                    timeout=UPLOAD_TIMEOUT,
                )
            )

    def _job(self, number: str) -> Job:
        return backup_answers.job(self._ask("GET", f"/restore-files/{quote(number)}"))

    def _ask(
        self,
        method: str,
        path: str,
        body: Any = None,  # noqa: ANN401 - bytes, or what can be read
        headers: dict[str, str] | None = None,
        *,
        timeout: float = ANSWER_TIMEOUT,
    ) -> Object:
        with self._response(method, path, body, headers, timeout=timeout) as response:
            content = response.read()
            try:
                answer = json.loads(content)
            except ValueError as error:
                raise BackupError(f"{NAME} answered {content[:100]!r} to {method} {path}; that is no JSON") from error
        if not isinstance(answer, dict):
            raise BackupError(f"{NAME} answered {content[:100]!r} to {method} {path}; that is no JSON object")
        return answer

    @contextmanager
    def _response(
        self,
        method: str,
        path: str,
        body: Any = None,  # noqa: ANN401 - bytes, or what can be read
        headers: dict[str, str] | None = None,
        *,
        timeout: float = ANSWER_TIMEOUT,
    ) -> Iterator[http.client.HTTPResponse]:
        pod = self._pod()
        try:
            forward = self._kube.forward(self._namespace, pod, PORT)
        except LocalError as error:
            raise NoAnswerError(str(error)) from error
        connection = forward.http(NAME, PORT, timeout)
        try:
            connection.request(method, path, body, {"Content-Type": "application/json", **(headers or {})})
            response = connection.getresponse()
            if response.status >= 300:
                raise BackupError(_refusal(response))
            yield response
        except (OSError, http.client.HTTPException) as error:
            why = forward.error() or str(error) or type(error).__name__
            raise NoAnswerError(f"{NAME} (pod {pod}) does not answer {method} {path}: {why.strip()}") from error
        finally:
            connection.close()

    def _pod(self) -> str:
        """A pod behind the Service that is ready."""
        service = self._kube.get(
            {"apiVersion": "v1", "kind": "Service", "metadata": {"namespace": self._namespace, "name": NAME}}
        )
        if service is None:
            advice = "`make up` deploys it, unless `snapshotVolume` is none"
            raise NoAnswerError(f"namespace {self._namespace} has no Service {NAME}: {advice}")
        selector = ",".join(f"{key}={value}" for key, value in service["spec"]["selector"].items())
        pods = self._kube.list("v1", "Pod", self._namespace, selector)
        ready = [
            pod["metadata"]["name"] for pod in pods if is_ready(pod) and "deletionTimestamp" not in pod["metadata"]
        ]
        if not ready:
            raise NoAnswerError(f"no pod of {NAME} is ready; see `kubectl get pods --namespace {self._namespace}`")
        return str(ready[0])


class _Reported:
    """What is uploaded, read block by block; says how much of it is through."""

    def __init__(self, content: Any, size: int, report: Report) -> None:  # noqa: ANN401 - an open file
        self._content = content
        self._size = size
        self._report = report
        self._through = 0

    def read(self, size: int = -1) -> bytes:
        block: bytes = self._content.read(size)
        self._through += len(block)
        self._report(f"{self._through >> 20} of {self._size >> 20} MiB")
        return block


def _refusal(response: http.client.HTTPResponse) -> str:
    """Why backup refused, as it says itself."""
    content = response.read()
    try:
        told = json.loads(content)
        return f"{NAME}: {told.get('description') or told['title']}"
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"{NAME} answered {response.status} {response.reason}: {content[:200]!r}"
