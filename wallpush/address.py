"""A push node's URL, taken apart and checked."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv6Address
from urllib.parse import SplitResult, urlsplit

from .errors import InvalidAddress

__all__ = ["Address", "parse_address", "parse_addresses"]

EXAMPLE = "such as http://127.0.0.1:8001"
DEFAULT_PORTS = {"http": 80, "https": 443}

_is_host = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9_-]{0,62}(?:\.(?!$)|\.?$))+").fullmatch
_is_prefix = re.compile(r"[A-Za-z0-9._~/%-]*").fullmatch


@dataclass(frozen=True, slots=True)
class Address:
    """Where a push node takes messages; `str()` is its URL. prefix: "" or "/a/b"."""

    scheme: str
    host: str
    port: int
    prefix: str

    @property
    def is_secure(self) -> bool:
        return self.scheme == "https"

    @property
    def authority(self) -> str:
        """Host and port as they stand in a URL and in the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.prefix}"


def parse_addresses(urls: str | Iterable[str]) -> tuple[Address, ...]:
    """Each push node once. A string holds its URLs between commas."""
    parts = urls.split(",") if isinstance(urls, str) else urls
    return tuple(dict.fromkeys(parse_address(part) for part in parts if part.strip()))


def parse_address(url: str) -> Address:
    """Raises InvalidAddress without repeating the URL, which may hold a password."""
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError as exc:
        raise InvalidAddress(f"A push URL can not be read; write one {EXAMPLE}.") from exc
    check_parts(parts)
    return Address(
        scheme=parts.scheme,
        host=parse_host(parts.hostname or ""),
        port=DEFAULT_PORTS[parts.scheme] if port is None else port,
        prefix=parts.path.rstrip("/"),
    )


def check_parts(parts: SplitResult) -> None:
    if parts.scheme not in DEFAULT_PORTS:
        raise InvalidAddress(f"A push URL begins with http:// or https://, {EXAMPLE}.")
    if "@" in parts.netloc:
        raise InvalidAddress("A push URL holds no user name or password; remove them.")
    if parts.query or parts.fragment or not _is_prefix(parts.path):
        raise InvalidAddress(f"A push URL ends with a host, a port and at most a path, {EXAMPLE}.")
    if parts.port == 0:
        raise InvalidAddress(f"A push URL names a port from 1 to 65535, {EXAMPLE}.")


def parse_host(host: str) -> str:
    try:
        return checked_name(host) if ":" not in host else str(IPv6Address(host))
    except ValueError as exc:
        raise InvalidAddress(f"A push URL names a host, {EXAMPLE}.") from exc


def checked_name(host: str) -> str:
    if not _is_host(host):
        raise ValueError("no host name")
    return host
