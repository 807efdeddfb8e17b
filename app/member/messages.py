"""What members and the controller say to one another, as JSON: a member's report, and the answer to it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from member import marker
from member.json_values import read_number, read_text
from member.marker import MarkerError
from member.starting import Answer, File, Folder, Hold, Join, New, Report, Restore, Save, Start, Wait

Json = Mapping[str, Any]


class MessageError(Exception):
    """The message can't be read. The text says why."""


def report_to_json(report: Report) -> Json:
    """Return what `report_from_json` reads."""
    return asdict(report) | {"folder": None if report.folder is None else _folder_to_json(report.folder)}


def report_from_json(content: Any) -> Report:  # noqa: ANN401 - of whatever was sent
    """Return the report. Raises MessageError."""
    with _readable(content):
        return Report(
            member=read_number(content["member"]),
            pod=read_text(content["pod"]),
            folder=None if content["folder"] is None else _folder(content["folder"]),
            file=None if content["file"] is None else _file(content["file"]),
            unusable=read_text(content["unusable"]),
            crashes=read_number(content["crashes"]),
            full=_flag(content["full"]),
        )


def answer_to_json(answer: Answer) -> Json:
    """Return what `answer_from_json` reads."""
    return {"answer": type(answer).__name__.lower(), **asdict(answer)}


def answer_from_json(content: Any) -> Answer:  # noqa: ANN401 - of whatever was sent
    """Return the answer. Raises MessageError."""
    with _readable(content):
        return _answer(content)


def _answer(content: Any) -> Answer:  # noqa: ANN401
    match content["answer"]:
        case "start":
            return Start(
                *_life(content),
                token=read_text(content["token"]),
                members=_numbers(content["members"]),
                entry=read_number(content["entry"]),
                has_log=_flag(content["has_log"]),
            )
        case "new":
            return New(*_life(content))
        case "join":
            return Join(*_life(content))
        case "restore":
            return Restore(
                *_life(content),
                token=read_text(content["token"]),
                members=_numbers(content["members"]),
                file=_file(content["file"]),
                bump=read_number(content["bump"]),
            )
        case "hold":
            return Hold(read_text(content["request"]), *_life(content))
        case "save":
            return Save(read_number(content["epoch"]), read_text(content["reason"]))
        case "wait":
            return Wait(read_text(content["reason"]))
    raise MessageError(f"there is no answer {content['answer']!r}")


def _life(content: Any) -> tuple[int, int]:  # noqa: ANN401
    return read_number(content["epoch"]), read_number(content["life"])


def _folder_to_json(folder: Folder) -> Json:
    return {"log": folder.log, "marker": None if folder.marker is None else marker.to_text(folder.marker)}


def _folder(content: Any) -> Folder:  # noqa: ANN401
    text = content["marker"]
    return Folder(None if text is None else marker.from_text(read_text(text)), _flag(content["log"]))


def _file(content: Any) -> File:  # noqa: ANN401
    return File(
        sha256=read_text(content["sha256"]),
        made_for=read_number(content["made_for"]),
        made_of=read_text(content["made_of"]),
        epoch=read_number(content["epoch"]),
        revision=read_number(content["revision"]),
    )


@contextmanager
def _readable(content: object) -> Iterator[None]:
    try:
        yield
    except (KeyError, TypeError, ValueError, MarkerError) as error:
        raise MessageError(f"{error!r} in {str(content)[:200]}") from None


def _numbers(value: Any) -> tuple[int, ...]:  # noqa: ANN401
    return tuple(map(read_number, value))


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{value!r} is neither true nor false")
    return value
