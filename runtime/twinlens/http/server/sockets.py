"""Sockets to listen on: an address, a path, or one that the parent opened."""

import errno
import ipaddress
import os
import socket
import stat
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ABSENT: Final = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
"""Errors of an address of a family that the machine does not have."""
FIRST_PASSED: Final = 3
"""Descriptor of the first socket that systemd passes (sd_listen_fds)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Place to listen at: an address, a path, or a descriptor; at most one of them."""

    host: str = "127.0.0.1"
    port: int = 8000
    uds: Path | None = None
    fd: int | None = None


def listening_sockets(place: Place) -> list[socket.socket]:
    """Open the sockets; those that systemd passes go before an address.

    Raises:
        OSError: the address is taken, or unknown, or the descriptor is no socket.
    """
    if place.uds is not None:
        return [_at_path(place.uds)]
    if place.fd is not None:
        return [_passed(place.fd)]
    count = _n_passed_by_systemd()
    if count:
        return [_passed(number) for number in range(FIRST_PASSED, FIRST_PASSED + count)]
    return _at_address(place.host, place.port)


def is_passed() -> bool:
    """Return True if systemd has passed sockets to this process."""
    return _n_passed_by_systemd() > 0


def is_local(sockets: Sequence[socket.socket]) -> bool:
    """Return True if only this machine reaches the sockets."""
    return all(one.family not in _INTERNET or _is_loopback(one) for one in sockets)


def has_address(sockets: Sequence[socket.socket]) -> bool:
    """Return True if a browser could reach one of the sockets."""
    return any(one.family in _INTERNET for one in sockets)


def url_of(one: socket.socket) -> str:
    """Return the URL of a socket, or "unix:PATH"."""
    if one.family not in _INTERNET:
        return f"unix:{one.getsockname() or 'unnamed'}"
    host, port = one.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


_INTERNET: Final = (socket.AF_INET, socket.AF_INET6)


def _is_loopback(one: socket.socket) -> bool:
    address = ipaddress.ip_address(one.getsockname()[0].partition("%")[0])
    return address.is_loopback


def _at_address(host: str, port: int) -> list[socket.socket]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    if port == 0:
        found = found[:1]  # another address would get another free port
    sockets: list[socket.socket] = []
    absent: OSError | None = None
    try:
        for family, kind, protocol, _, address in found:
            try:
                sockets.append(_bound(family, kind, protocol, address))
            except OSError as error:
                if error.errno not in ABSENT:
                    raise
                absent = error  # localhost is ::1 too where there is no IPv6
        if absent is not None and not sockets:
            raise absent
    except OSError as error:
        for one in sockets:
            one.close()
        raise OSError(
            error.errno, f"{error.strerror}; choose another --port", f"{host}:{port}"
        ) from (error)
    return sockets


def _bound(family: int, kind: int, protocol: int, address: Any) -> socket.socket:  # noqa: ANN401
    one = socket.socket(family, kind, protocol)
    try:
        if os.name == "posix":
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.bind(address)
    except OSError:
        one.close()
        raise
    return one


def _at_path(path: Path) -> socket.socket:
    """Listen at a path; the socket of a server that is no more is replaced.

    Raises:
        OSError: another server listens there, something else lies there, or the system has none.
    """
    if not hasattr(socket, "AF_UNIX"):
        raise OSError(errno.EAFNOSUPPORT, "this system has no unix sockets", str(path))
    with suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise FileExistsError(errno.EEXIST, "there is a file that is no socket", str(path))
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(str(path)) == 0:
                raise OSError(errno.EADDRINUSE, "another server listens there", str(path))
        path.unlink()
    one = socket.socket(socket.AF_UNIX)
    try:
        one.bind(str(path))
    except OSError as error:
        one.close()
        raise OSError(error.errno or errno.EINVAL, error.strerror or str(error), str(path)) from (
            error
        )
    return one


def _passed(number: int) -> socket.socket:
    try:
        return socket.socket(fileno=number)
    except OSError as error:
        raise OSError(
            error.errno, f"{error.strerror}; wanted a listening socket", f"descriptor {number}"
        ) from error


def _n_passed_by_systemd() -> int:
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return 0
    count = os.environ.get("LISTEN_FDS", "0")
    return int(count) if count.isdigit() else 0
