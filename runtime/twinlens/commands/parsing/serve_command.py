"""Arguments of the command that serves."""

from twinlens.commands.parsing import values
from twinlens.commands.parsing.arguments import (
    Parser,
    add_bundle,
    add_level,
    add_pixels,
    printing,
    running,
)
from twinlens.commands.parsing.image_commands import Commands

SIGNALS = """SIGTERM or Ctrl-C: not ready at once, the end after --notice and the last
answer; a second one ends at once. SIGHUP: bundle, index and keys are read anew, and the old ones
answer until then."""


def add_serve(commands: "Commands[Parser]") -> None:
    """Add `twinlens serve`."""
    parser = commands.add_parser(
        "serve",
        parents=[running(), printing()],
        help="embeddings, matches, labels and search by HTTP",
        description="Answer requests by HTTP: embeddings (by the routes of OpenAI and Cohere too), "
        "matches, labels and search. Its routes are described at /openapi.json. Example: twinlens "
        "serve clip-b32 --index photos.index",
        epilog=SIGNALS,
    )
    add_bundle(parser)
    parser.add_argument("--index", type=values.folder, help="the folder of an index, for /search")
    parser.add_argument(
        "--name", type=values.word, help="the model's name in requests (the bundle's folder)"
    )
    add_pixels(parser)
    add_level(parser)
    _add_doors(parser)
    _add_limits(parser)
    parser.add_argument(
        "--log", choices=("json", "short", "off"), default="json", help="a line a request (json)"
    )


def _add_doors(parser: Parser) -> None:
    """Add places to listen at, and callers that are let in."""
    parser.add_argument("--host", type=values.word, help="address to listen at (127.0.0.1)")
    parser.add_argument("--port", type=values.port, help="its port; 0 is any free one (8000)")
    parser.add_argument("--uds", type=values.path, help="a unix socket instead")
    parser.add_argument("--fd", type=values.descriptor, help="a socket instead, by number")
    parser.add_argument(
        "--api-key-file",
        type=values.path,
        help="a file of keys, one a line; each request must have one of them",
    )
    parser.add_argument(
        "--no-auth", action="store_true", help="ask no key of anyone who reaches the address"
    )
    parser.add_argument(
        "--allowed-host",
        action="append",
        type=values.word,
        help="a host name that requests may name (localhost, where only this machine reaches it)",
    )
    parser.add_argument(
        "--cors-origin",
        action="append",
        type=values.origin,
        help="site whose pages may call, https://... (none)",
    )


def _add_limits(parser: Parser) -> None:
    """Add bounds of requests and of the end."""
    parser.add_argument(
        "--max-queue", type=values.queue, help="images, and likewise texts, that may wait (8192)"
    )
    parser.add_argument(
        "--max-body-mb", type=values.megabytes, default=32, help="largest body in MiB (32)"
    )
    parser.add_argument(
        "--timeout", type=values.seconds, default=10.0, help="seconds for an answer (10)"
    )
    parser.add_argument(
        "--no-preempt",
        action="store_true",
        help="leave priorities of threads alone: a text may wait for an image (Linux)",
    )
    parser.add_argument(
        "--notice",
        type=values.seconds_or_none,
        default=1.0,
        help="seconds from a signal, unready from then on, to the last request taken (1)",
    )
    parser.add_argument(
        "--drain", type=values.seconds, default=30.0, help="seconds after that for answers (30)"
    )
