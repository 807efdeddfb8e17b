"""How requests are read: as waitress does it, but for what would keep it busy for long or make it misread."""

import re

from waitress.parser import HTTPRequestParser, ParsingError  # type: ignore[import-untyped]  # waitress ships no types

# waitress matches start lines and headers with patterns that try out how to divide a text, and so take time that grows
# with its square: up to a minute for one request of 16 KiB, in which nobody else is served. These let pass only what
# such a pattern matches at once. The first also keeps out characters that have no place in an address; some of them
# would be left out, and the rest taken for another address.
_START_LINE = re.compile(rb"[!-~]+ [!-~]+(?: HTTP/[0-9]\.[0-9])?")
_WIDE_SPACE = re.compile(rb"[ \t\r\n]{64}")

# Bytes. Longer requests are read each time: a connection that waits is not to take up much memory.
_REMEMBERED = 1024


class Parser(HTTPRequestParser):  # type: ignore[misc]
    """One request as it arrives.

    Attributes:
        as_sent: The whole request as the client sent it. Nothing if that had a body, was long, came in parts, or is
            not fit. The clients of a counter ask the same again and again, and this is read once for all of them: to
            read a request takes as long as to make its answer.
    """

    as_sent = b""

    def received(self, data: bytes) -> int:
        """Take what has arrived. Returns how many bytes of it belong to this request."""
        taken: int = super().received(data)
        is_whole = self.completed and taken == self.header_bytes_received
        if is_whole and taken <= _REMEMBERED and self.body_rcv is None and self.error is None:
            self.as_sent = data[:taken]
        return taken

    def parse_header(self, header_plus: bytes) -> None:
        """Take the start line and the headers. Called by waitress. Raises ParsingError."""
        if not _START_LINE.fullmatch(header_plus.partition(b"\r\n")[0].rstrip()):
            raise ParsingError("Start line is invalid")
        if _WIDE_SPACE.search(header_plus):
            raise ParsingError("There is too much space between two words")
        try:
            super().parse_header(header_plus)
        except ValueError:  # which waitress does not expect
            raise ParsingError("The address or the Content-Length is none") from None
        if self.path and not self.path.startswith("/"):
            raise ParsingError("The path must begin with /")
        # Whoever passes this on may see another end of the body than we do, and so another request after it.
        if "TRANSFER_ENCODING" in self.headers or (self.chunked and "CONTENT_LENGTH" in self.headers):
            raise ParsingError("Transfer-Encoding needs HTTP/1.1, and no Content-Length beside it")
