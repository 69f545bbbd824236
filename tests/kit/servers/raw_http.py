"""HTTP by the byte, for clients that no library would be."""

from http_servers import ServerProcess


def raw(server: ServerProcess, content: bytes) -> bytes:
    """Send bytes; return everything that comes until the end."""
    with server.connect() as connection:
        connection.sendall(content)
        parts = []
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def posted(body: bytes, *headers: str) -> bytes:
    """Return the bytes of a POST to the embeddings."""
    lines = ["POST /v1/embeddings HTTP/1.1", "host: localhost", "content-type: application/json"]
    return "\r\n".join([*lines, *headers, "", ""]).encode() + body
