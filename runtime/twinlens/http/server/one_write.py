"""One write for the head of an answer and its body: a packet and a system call, not two."""

from asyncio import Transport
from typing import Protocol


class Started(Protocol):
    """Answer that may have begun."""

    response_started: bool


class OneWrite:
    """Transport of one answer, in the place of the connection's own.

    uvicorn writes a head as soon as it is made; it is held here until the first part of the body.
    """

    def __init__(self, transport: Transport, answer: Started) -> None:
        self._transport, self._answer = transport, answer
        self._head: bytes | None = None
        self._has_head = False

    def write(self, data: bytes) -> None:
        """Write bytes; the head, which is written first, waits for the body."""
        if not self._answer.response_started:  # "100 Continue"
            self._transport.write(data)
        elif not self._has_head:
            self._has_head, self._head = True, data
        elif self._head is not None:
            head, self._head = self._head, None
            self._transport.writelines((head, data))
        else:
            self._transport.write(data)

    def close(self) -> None:
        """Write a head that waits, and close the connection."""
        if self._head is not None:
            self._transport.write(self._head)
            self._head = None
        self._transport.close()

    def is_closing(self) -> bool:
        """Return True once the connection is closed or about to be."""
        return self._transport.is_closing()
