"""How a member asks the controller what to do."""

import json
from http.client import HTTPException
from urllib.request import Request

from member import web
from member.messages import MessageError, answer_from_json, report_to_json
from member.starting import Answer, Report

_MOST_BYTES = 1 << 20


class NoAnswerError(Exception):
    """The controller gave no answer, or none that can be read. The text says which."""


def ask(controller_url: str, report: Report, timeout: float) -> Answer:
    """Return what the controller answers to a report. Raises NoAnswerError, after `timeout` seconds at most."""
    request = Request(
        f"{controller_url}/members/{report.member}",
        data=json.dumps(report_to_json(report)).encode(),
        headers={"Content-Type": "application/json"},
        method="POST",
    )
    try:
        with web.send(request, timeout) as response:
            return answer_from_json(json.loads(response.read(_MOST_BYTES)))
    except (OSError, HTTPException, ValueError, MessageError) as error:
        raise NoAnswerError(f"no answer from {request.full_url}: {error}") from None
