"""Messages to systemd: ready, and about to stop."""

import os
import socket
from contextlib import suppress


def tell_systemd(message: str) -> None:
    """Send a line such as "READY=1" to the socket of a unit of `Type=notify` (sd_notify)."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address or not hasattr(socket, "AF_UNIX"):
        return
    if address.startswith("@"):
        address = f"\0{address[1:]}"
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
        one.sendto(message.encode("ascii"), address)
