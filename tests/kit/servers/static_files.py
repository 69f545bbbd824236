"""A server of the files of a folder, on this computer."""

import contextlib
import functools
import http.server
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

NO_HEADERS: Mapping[str, str] = MappingProxyType({})


@contextlib.contextmanager
def static_files(folder: Path, headers: Mapping[str, str] = NO_HEADERS) -> Iterator[str]:
    """Serve a folder, every file with these headers too; give the address, without a slash."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def end_headers(self) -> None:
            for name, value in headers.items():
                self.send_header(name, value)
            super().end_headers()

        def log_message(self, *_: object) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
