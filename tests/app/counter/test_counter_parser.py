"""How requests are read, where that differs from waitress' way."""

import pytest
from waitress.adjustments import Adjustments  # type: ignore[import-untyped]  # waitress ships no types

from counter.parser import Parser

SIZE = 15_000

VERSION = b" HTTP/1.1\r\n"


def parsed(data: bytes) -> Parser:
    parser = Parser(Adjustments(max_request_header_size=16 * 1024))
    assert parser.received(data) == len(data)
    assert parser.completed
    return parser


@pytest.mark.parametrize(
    ("request_bytes", "words"),
    [
        # What would take seconds
        (b"GET a://" + b"1" * SIZE + b" x" + VERSION, "Start line"),
        (b"GET " + b"a" * (SIZE // 2) + b"://" + b"b" * (SIZE // 2) + b" x" + VERSION, "Start line"),
        (b"GET /static" + VERSION + b"X:" + b" " * SIZE + b"x\r\n", "too much space"),
        (b"GET /static" + VERSION + b"X:" + b"\r\n " * (SIZE // 3) + b"x\r\n", "too much space"),
        # What waitress would not answer
        (b"GET http://[" + VERSION, "address"),
        (b"POST /static" + VERSION + b"Content-Length: " + b"9" * 5000 + b"\r\n", "Content-Length"),
        # What would be taken for another path
        (b"GET /incre\tment" + VERSION, "Start line"),
        (b"GET \x01/increment" + VERSION, "Start line"),
        (b"GET /increment\0" + VERSION, "Start line"),
        (b"GET increment" + VERSION, "begin with /"),
        (b"GET http:increment" + VERSION, "begin with /"),
        # What has two ends
        (b"POST /static" + VERSION + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "Transfer-Encoding"),
        (b"POST /static HTTP/1.0\r\nTransfer-Encoding: chunked\r\n", "Transfer-Encoding"),
    ],
)
def test_what_is_refused(request_bytes: bytes, words: str) -> None:
    assert words in parsed(request_bytes + b"\r\n").error.body


@pytest.mark.parametrize(
    "start_line",
    [
        b"GET /increment HTTP/1.1",
        b"GET /increment HTTP/1.1 ",
        b"GET /increment HTTP/1.0",
        b"GET /increment",
        b"GET //increment HTTP/1.1",
        b"GET /%69ncrement HTTP/1.1",
        b"GET http://a.host:80/increment HTTP/1.1",
        b"GET /increment?" + b"a=%20&" * 2000 + b" HTTP/1.1",
    ],
)
def test_what_is_not(start_line: bytes) -> None:
    parser = parsed(start_line + b"\r\nX-Spaced:   a   b\r\n\r\n")
    assert parser.error is None
    assert parser.path.lstrip("/") == "increment"
    assert parser.headers == {"X_SPACED": "a   b"}


def test_a_host_alone_has_no_path() -> None:
    parser = parsed(b"GET http://a.host HTTP/1.1\r\n\r\n")
    assert (parser.error, parser.path) == (None, "")


def test_what_would_be_read_the_same_again() -> None:
    sent = b"GET /increment HTTP/1.1\r\nHost: a.host\r\n\r\n"
    parser = Parser(Adjustments())
    assert parser.received(sent + sent + b"GET") == len(sent)
    assert parser.as_sent == sent


@pytest.mark.parametrize(
    "parts",
    [
        [b"POST /increment HTTP/1.1\r\nContent-Length: 3\r\n\r\n", b"abc"],
        [b"POST /increment HTTP/1.1\r\nContent-Length: 48\r\n\r\n", bytes(48)],
        [b"POST /increment HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"3\r\nabc\r\n0\r\n\r\n"],
        [b"GET /increment HTTP/1.1\r\n", b"Host: a.host\r\n\r\n"],
        [b"GET /increment HTTP/1.1\r\nHost: " + b"a" * 1024 + b"\r\n\r\n"],
        [b"GET /incre\tment HTTP/1.1\r\n\r\n"],
    ],
    ids=["a body", "a body as long as the headers", "a body of parts", "in parts", "long", "not fit"],
)
def test_what_may_be_not(parts: list[bytes]) -> None:
    parser = Parser(Adjustments())
    for part in parts:
        assert parser.received(part) == len(part)
    assert parser.completed
    assert parser.as_sent == b""
