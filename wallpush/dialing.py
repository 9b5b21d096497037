"""Opens a connection to a push node, step by step, so that nobody waits for anybody else's DNS."""

from __future__ import annotations

import errno
import os
import socket
import ssl
import threading
import time
from ipaddress import ip_address
from typing import Any

from .address import Address
from .loop import READ, WRITE, Steps, Wait

__all__ = ["DialFailed", "dial"]

Endpoint = tuple[int, Any]


class DialFailed(Exception):
    """No connection; `str()` says why and what to do. refused: whether nobody listens there."""

    def __init__(self, reason: str, *, refused: bool = False) -> None:
        super().__init__(reason, refused)
        self.reason = reason
        self.refused = refused

    def __str__(self) -> str:
        return self.reason


def dial(address: Address, tls: ssl.SSLContext | None, until: float) -> Steps[socket.socket]:
    """A connected socket, after the TLS handshake if there is one. Raises DialFailed.

    until: when to give up, by `time.monotonic()`; a host's addresses share the time equally.
    """
    endpoints = yield from resolve(address, until)
    failure = DialFailed("its name has no address")
    for left, endpoint in zip(range(len(endpoints), 0, -1), endpoints, strict=True):
        now = time.monotonic()
        try:
            return (yield from connect(endpoint, address, tls, now + (until - now) / left))
        except OSError as exc:
            failure = explain(exc, address)
    raise failure


def resolve(address: Address, until: float) -> Steps[list[Endpoint]]:
    """The addresses of a host. Names are looked up in a thread: the system's call can not be bounded."""
    try:
        ip_address(address.host)
    except ValueError:
        return (yield from look_up(address, until))
    return endpoints_of(address)


def look_up(address: Address, until: float) -> Steps[list[Endpoint]]:
    found: list[list[Endpoint] | OSError] = []
    ours, theirs = socket.socketpair()

    def work() -> None:
        with theirs:
            try:
                found.append(endpoints_of(address))
            except OSError as exc:
                found.append(exc)

    with ours:
        threading.Thread(target=work, name="wallpush-dns", daemon=True).start()
        yield Wait(ours, READ, until)
    if not found:
        raise DialFailed(f"its name {address.host!r} is not resolved in time; check the DNS")
    if isinstance(found[0], OSError):
        raise explain(found[0], address) from found[0]
    return found[0]


def endpoints_of(address: Address) -> list[Endpoint]:
    found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    return [(family, sockaddr) for family, _, _, _, sockaddr in found]


def connect(
    endpoint: Endpoint, address: Address, tls: ssl.SSLContext | None, until: float
) -> Steps[socket.socket]:
    family, sockaddr = endpoint
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield from establish(sock, sockaddr, until)
        if tls is not None:
            sock = tls.wrap_socket(
                sock, server_hostname=address.host, do_handshake_on_connect=False
            )
            yield from shake_hands(sock, until)
    except BaseException:
        sock.close()
        raise
    return sock


def establish(sock: socket.socket, sockaddr: Any, until: float) -> Steps[None]:
    code = sock.connect_ex(sockaddr)
    if code == errno.EINPROGRESS:
        if not (yield Wait(sock, WRITE, until)):
            raise TimeoutError(errno.ETIMEDOUT, "no connection in time")
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        raise OSError(code, os.strerror(code))


def shake_hands(sock: ssl.SSLSocket, until: float) -> Steps[None]:
    while True:
        try:
            sock.do_handshake()
        except ssl.SSLWantReadError:
            wait = Wait(sock, READ, until)
        except ssl.SSLWantWriteError:
            wait = Wait(sock, WRITE, until)
        else:
            return
        if not (yield wait):
            raise TimeoutError(errno.ETIMEDOUT, "no TLS handshake in time")


def explain(error: OSError, address: Address) -> DialFailed:
    """The one place that puts the system's errors into words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return DialFailed(
            f"its certificate is not trusted ({error.verify_message}); "
            "give the right authority in ssl_context, or correct the host name"
        )
    if isinstance(error, ssl.SSLError):
        return DialFailed(f"no TLS there ({error.reason}); is it an http:// address?")
    if isinstance(error, socket.gaierror):
        return DialFailed(f"its name {address.host!r} has no address; check the URL and the DNS")
    if isinstance(error, ConnectionRefusedError):
        return DialFailed("nothing listens there; start the push node", refused=True)
    if isinstance(error, TimeoutError):
        return DialFailed("no connection in time; check the host, the port and firewalls")
    return DialFailed(f"no connection ({error.strerror}); check the host and the network")
