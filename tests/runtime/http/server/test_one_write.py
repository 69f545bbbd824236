"""One write for an answer: the head waits for the body, and is never lost."""

from dataclasses import dataclass, field

from twinlens.http.server.one_write import OneWrite


@dataclass
class Written:
    """Transport that keeps its calls, and an answer that has begun or not."""

    calls: list[object] = field(default_factory=list)
    response_started: bool = False

    def write(self, data: bytes) -> None:
        self.calls.append(data)

    def writelines(self, parts: tuple[bytes, ...]) -> None:
        self.calls.append(parts)

    def close(self) -> None:
        self.calls.append("closed")

    def is_closing(self) -> bool:
        return "closed" in self.calls


def test_a_head_is_written_with_what_follows_it() -> None:
    written = Written()
    transport = OneWrite(written, written)  # type: ignore[arg-type]
    transport.write(b"100")
    written.response_started = True
    transport.write(b"head")
    assert written.calls == [b"100"]
    for part in (b"body", b"more"):
        transport.write(part)
    transport.close()
    assert written.calls == [b"100", (b"head", b"body"), b"more", "closed"]
    assert transport.is_closing()


def test_a_head_without_a_body_is_written_before_the_end() -> None:
    written = Written(response_started=True)
    transport = OneWrite(written, written)  # type: ignore[arg-type]
    transport.write(b"head")
    assert not transport.is_closing()
    transport.close()
    assert written.calls == [b"head", "closed"]
