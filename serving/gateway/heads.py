"""uvicorn's HTTP with a limit for what comes before a body: httptools alone would keep a header of any size."""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST_HEADERS = 64 * 1024
WORDS = b'{"error":"The headers are over the limit of 64 KiB."}'
TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\n"
    b"content-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(WORDS), WORDS)
)


class BoundedHttp(HttpToolsProtocol):
    """Counts the bytes of a request until its headers are complete."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._size, self._open = 0, True

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._open:
            self._size += len(data)
            if self._size > MOST_HEADERS:
                self._refuse()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._size, self._open = 0, True

    def on_headers_complete(self) -> None:
        self._open = False
        super().on_headers_complete()

    def _refuse(self) -> None:
        # In the middle of another answer on the same connection there is no place for this one.
        if self.cycle is None or self.cycle.response_complete:
            self.transport.write(TOO_LARGE)
        self.transport.close()
