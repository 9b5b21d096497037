"""Reads the answers of an HTTP/1.1 server from a stream of bytes: small, strict, fast.

Strict, because whoever guesses where an answer ends may take one message's answer for another's:
whatever RFC 9112 calls ambiguous ends the connection here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Answer", "AnswerReader", "GarbledAnswer", "Head"]

MAX_HEAD_BYTES = 16 * 1024
MAX_BODY_BYTES = 1024 * 1024
MAX_KNOWN_HEADS = 64
EXPLAIN_HEADER = "x-nginx-pushstream-explain"

_status_line = re.compile(r"HTTP/1\.([01]) ([1-5][0-9]{2})(?: [^\x00-\x1f]*)?").fullmatch
_header_line = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00-\x08\x0a-\x1f]*)").fullmatch
_length = re.compile(r"[0-9]{1,9}").fullmatch
_chunk_line = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]*)?\r\n").match


class GarbledAnswer(Exception):
    """What came is no HTTP answer that can be told from its neighbours."""


@dataclass(frozen=True, slots=True)
class Head:
    """Status line and headers. length: -1 for a chunked body, None for one that ends with the connection."""

    status: int
    length: int | None
    is_last: bool
    explain: str


Answer = tuple[Head, bytes]


class AnswerReader:
    """Feed it what arrives; take whole answers out, in order."""

    def __init__(self) -> None:
        self._data = b""
        self._start = 0
        # A node's answers differ in nothing but their date and length: most heads are known.
        self._known_heads: dict[bytes, Head] = {}

    @property
    def is_idle(self) -> bool:
        """Whether no byte waits to become an answer."""
        return self._start == len(self._data)

    def feed(self, data: bytes) -> None:
        self._data = self._data[self._start :] + data
        self._start = 0

    def next_answer(self) -> Answer | None:
        """The next whole answer, None if more must arrive. Raises GarbledAnswer."""
        while (found := self._find_head()) is not None:
            head, start = found
            if 100 <= head.status < 200:
                self._start = start
                continue
            body = self._find_body(head, start)
            return None if body is None else (head, body)
        return None

    def end(self) -> Answer | None:
        """The answer whose body ends with the connection, if one is there. Raises GarbledAnswer."""
        found = self._find_head()
        if found is None or found[0].length is not None:
            return None
        head, start = found
        self._start = len(self._data)
        return head, self._data[start:]

    def _find_head(self) -> tuple[Head, int] | None:
        end = self._data.find(b"\r\n\r\n", self._start, self._start + MAX_HEAD_BYTES)
        if end < 0:
            check_beginning(self._data[self._start : self._start + MAX_HEAD_BYTES])
            return None
        raw = self._data[self._start : end]
        head = self._known_heads.get(raw)
        return (head or self._remember(raw)), end + 4

    def _remember(self, raw: bytes) -> Head:
        if len(self._known_heads) >= MAX_KNOWN_HEADS:
            self._known_heads.clear()
        return self._known_heads.setdefault(raw, parse_head(raw))

    def _find_body(self, head: Head, start: int) -> bytes | None:
        if head.length is None:
            check_size(len(self._data) - start)
            return None
        if head.length < 0:
            body, stop = join_chunks(self._data, start)
        else:
            stop = start + head.length
            body = self._data[start:stop] if stop <= len(self._data) else None
        if body is not None:
            self._start = stop
        return body


def check_beginning(data: bytes) -> None:
    """Tells a server of another protocol at its first bytes, not after the timeout."""
    if not data.startswith(b"HTTP/1."[: len(data)]):
        raise GarbledAnswer("what answers there does not speak HTTP/1.1")
    if len(data) >= MAX_HEAD_BYTES:
        raise GarbledAnswer("the head of the answer is too long")


def check_size(size: int) -> None:
    if size > MAX_BODY_BYTES:
        raise GarbledAnswer("the answer is too long")


def parse_head(raw: bytes) -> Head:
    lines = raw.decode("latin-1").split("\r\n")
    status_line = _status_line(lines[0])
    if not status_line:
        raise GarbledAnswer("what answers there does not speak HTTP/1.1")
    status = int(status_line[2])
    headers = parse_headers(lines[1:])
    connection = headers.get("connection", "").lower()
    length = body_length(status, headers)
    return Head(
        status=status,
        length=length,
        is_last=length is None or "close" in connection or status_line[1] == "0",
        explain=headers.get(EXPLAIN_HEADER, ""),
    )


def parse_headers(lines: list[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        match = _header_line(line)
        if not match:
            raise GarbledAnswer("the answer holds a line that is no header")
        name, value = match[1].lower(), match[2].rstrip(" \t")
        if name in {"content-length", "transfer-encoding"} and headers.get(name, value) != value:
            raise GarbledAnswer(f"the answer holds two different {name} headers")
        headers[name] = value
    return headers


def body_length(status: int, headers: dict[str, str]) -> int | None:
    if status < 200 or status in {204, 304}:
        return 0
    coding, length = headers.get("transfer-encoding"), headers.get("content-length")
    if coding is not None:
        if coding.lower() != "chunked" or length is not None:
            raise GarbledAnswer("the answer does not tell its length in one way")
        return -1
    if length is None:
        return None
    if not _length(length):
        raise GarbledAnswer("the answer's length is no number")
    check_size(int(length))
    return int(length)


def join_chunks(data: bytes, start: int) -> tuple[bytes | None, int]:
    """The body and where it ends; None while chunks are missing."""
    parts: list[bytes] = []
    size = 0
    while (line := _chunk_line(data, start)) is not None:
        length = int(line[1], 16)
        size += length
        check_size(size)
        if length == 0:
            return join_trailers(data, line.end(), parts)
        stop = line.end() + length
        if len(data) < stop + 2:
            return None, start
        if data[stop : stop + 2] != b"\r\n":
            raise GarbledAnswer("a chunk of the answer has another length than it says")
        parts.append(data[line.end() : stop])
        start = stop + 2
    if b"\n" in data[start:] or len(data) - start > MAX_HEAD_BYTES:
        raise GarbledAnswer("a chunk of the answer does not tell its length")
    return None, start


def join_trailers(data: bytes, start: int, parts: list[bytes]) -> tuple[bytes | None, int]:
    """Trailers follow the last chunk; nothing here wants them."""
    end = data.find(b"\r\n\r\n", start - 2)
    if end < 0:
        check_size(len(data) - start)
        return None, start
    if end > start:
        parse_headers(data[start:end].decode("latin-1").split("\r\n"))
    return b"".join(parts), end + 4
