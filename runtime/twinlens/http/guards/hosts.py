"""Guard of hosts: a page of another site that calls itself localhost is refused."""

import re
from collections.abc import Collection
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from twinlens.errors import quoted
from twinlens.http.errors import HttpError
from twinlens.http.exchange import exchange_of
from twinlens.http.guards.error_answer import error_answer

LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
"""Names of this machine. A page whose own name was moved to 127.0.0.1 (DNS rebinding) has another
in the header `host`."""
PORT: Final = re.compile(r":\d*$")


class HostGuard:
    """Passes on requests whose header `host` has one of the names; the port does not matter."""

    def __init__(self, app: ASGIApp, names: Collection[str]) -> None:
        self._app, self._names = app, frozenset(map(host_name, names))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request."""
        hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        # Browsers and HTTP/1.1 always send it; HAProxy's check of health, in HTTP/1.0, does not.
        is_old = not hosts and scope["http_version"] == "1.0"
        if is_old or (len(hosts) == 1 and host_name(hosts[0]) in self._names):
            await self._app(scope, receive, send)
            return
        error = HttpError(
            400,
            f"host is {quoted(', '.join(hosts))}, not {', '.join(sorted(self._names))}; "
            "start the server with --allowed-host for another name",
            code="host_refused",
        )
        await error_answer(error, exchange_of(scope))(scope, receive, send)


def host_name(host: str) -> str:
    """Return the name in a header `host`, in lower case, without its port and brackets."""
    is_bare_ipv6 = host.count(":") > 1 and not host.startswith("[")
    name = host if is_bare_ipv6 else PORT.sub("", host)
    return name.lower().removeprefix("[").removesuffix("]")
