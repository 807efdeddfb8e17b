"""The HTTP interface of the controller: members ask it; people and Prometheus see how things are."""

import json

import falcon

from controller.decision import Decided
from controller.hearing import Hearing
from controller.metrics import Metrics
from member.addresses import MOST_MEMBERS
from member.messages import MessageError, answer_to_json, report_from_json
from service.exposition import Exposition
from service.paths import QUOTED, EveryPath, no_such_path, unexpected

_MOST_BYTES = 64 * 1024


def create_app(hearing: Hearing, decided: Decided, metrics: Metrics) -> falcon.App[falcon.Request, falcon.Response]:
    """Return the WSGI application."""
    routes = {
        "/members/{member:int(min=0)}": Member(hearing),
        "/decision": LastDecision(decided),
        "/metrics": Exposition(metrics.registry),
        "/healthz": Healthz(),
    }
    app = falcon.App(middleware=[EveryPath()])
    for path, resource in routes.items():
        app.add_route(path, resource)
    app.set_error_serializer(_serialize_error)
    app.add_error_handler(falcon.HTTPRouteNotFound, no_such_path(routes))
    app.add_error_handler(Exception, unexpected)
    return app


class Member:
    """One member, before it is etcd: it says what it has, and is told what to do."""

    def __init__(self, hearing: Hearing) -> None:
        self._hearing = hearing

    def on_post(self, request: falcon.Request, response: falcon.Response, member: int) -> None:
        body = request.bounded_stream.read(_MOST_BYTES)
        try:
            report = report_from_json(json.loads(body))
        except (ValueError, MessageError) as error:
            raise falcon.HTTPBadRequest(description=f"The body is no report: {str(error)[:QUOTED]}.") from None
        if member >= MOST_MEMBERS:
            raise falcon.HTTPNotFound(description=f"There is no member {member}: they are 0 to {MOST_MEMBERS - 1}.")
        if report.member != member:
            raise falcon.HTTPBadRequest(description=f"The report is member {report.member}'s, but must be {member}'s.")
        answer = self._hearing.ask(report)
        if answer is None:
            raise falcon.HTTPServiceUnavailable(description="Nothing is decided yet: ask again.", retry_after=1)
        response.data = json.dumps(answer_to_json(answer)).encode()


class LastDecision:
    """What is done, or what is waited for, in a sentence."""

    def __init__(self, decided: Decided) -> None:
        self._decided = decided

    def on_get(self, _request: falcon.Request, response: falcon.Response) -> None:
        decision = self._decided.decision
        row, says = (decision.row, decision.says) if decision is not None else ("", "nothing is decided yet")
        response.data = json.dumps({"row": row, "says": self._decided.trouble or says}).encode()


class Healthz:
    """That the process serves. Whether it can decide shows in what it says."""

    def on_get(self, _request: falcon.Request, response: falcon.Response) -> None:
        response.data = json.dumps({"status": "ok"}).encode()


def _serialize_error(_request: falcon.Request, response: falcon.Response, error: falcon.HTTPError) -> None:
    response.content_type = falcon.MEDIA_JSON
    response.data = json.dumps({"title": error.title, "description": error.description}).encode()
