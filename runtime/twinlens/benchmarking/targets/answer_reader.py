"""Reader of one answer of HTTP/1.1, whatever brings the bytes."""

from typing import Final

from twinlens.benchmarking.errors import ServiceError

LINE_END: Final = b"\r\n"
HEAD_END: Final = LINE_END * 2
MOST_HEAD: Final = 1 << 16


class AnswerReader:
    """Bytes of one answer as they come, until it is whole."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._head_end: int | None = None
        self._length: int | None = None
        self._chunked = False
        self.status = 0
        self.closes = False
        """True if the server closes the connection behind it."""

    @property
    def has_begun(self) -> bool:
        """True once a byte has come."""
        return bool(self._buffer)

    def feed(self, content: bytes) -> bool:
        """Take bytes; True if the answer is whole.

        Raises:
            ServiceError: they are no answer of HTTP/1.1.
        """
        self._buffer += content
        if self._head_end is None and not self._read_head():
            return False
        return self.is_whole

    @property
    def is_whole(self) -> bool:
        """True if its last byte has come; never of one that ends with the connection."""
        if self._head_end is None:
            return False
        if self._chunked:
            return _unchunked(bytes(self._buffer[self._head_end :])) is not None
        if self._length is None:
            return False
        return len(self._buffer) >= self._head_end + self._length

    def body(self) -> bytes:
        """Return the body of an answer that is whole."""
        content = bytes(self._buffer[self._head_end or 0 :])
        return (_unchunked(content) or b"") if self._chunked else content[: self._length]

    def _read_head(self) -> bool:
        end = self._buffer.find(HEAD_END)
        if end < 0:
            if len(self._buffer) > MOST_HEAD:
                raise ServiceError("the server answers with what is no HTTP")
            return False
        first, *lines = bytes(self._buffer[:end]).decode("latin-1").split("\r\n")
        words = first.split()
        if len(words) < 2 or not words[0].startswith("HTTP/1.") or not words[1].isdigit():
            raise ServiceError("the server answers with what is no HTTP/1.1")
        fields = {}
        for line in lines:
            name, _, value = line.partition(":")
            fields[name.strip().lower()] = value.strip()
        self.status, self._head_end = int(words[1]), end + len(HEAD_END)
        length = fields.get("content-length", "")
        self._length = int(length) if length.isdigit() else None
        self._chunked = fields.get("transfer-encoding", "").lower() == "chunked"
        self.closes = fields.get("connection", "").lower() == "close"
        return True


def _unchunked(content: bytes) -> bytes | None:
    """Return the chunks of a body in one; None if the last one has not come.

    Raises:
        ServiceError: a chunk has no length.
    """
    found, at = bytearray(), 0
    while True:
        end = content.find(LINE_END, at)
        if end < 0:
            return None
        try:
            size = int(content[at:end].split(b";")[0], 16)
        except ValueError as error:
            raise ServiceError(
                "the server answers in chunks, one of which has no length"
            ) from error
        if size == 0:  # the trailer ends with an empty line
            return bytes(found) if content.find(HEAD_END, end) >= 0 else None
        at = end + len(LINE_END) + size + len(LINE_END)
        if at > len(content):
            return None
        found += content[end + len(LINE_END) : at - len(LINE_END)]
