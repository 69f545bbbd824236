"""Arguments of the command that opens a page."""

from twinlens.commands.parsing import values
from twinlens.commands.parsing.arguments import (
    BUNDLE,
    Parser,
    add_level,
    add_pixels,
    printing,
    running,
)
from twinlens.commands.parsing.image_commands import Commands
from twinlens.loading import DEMO


def add_browse(commands: "Commands[Parser]") -> None:
    """Add `twinlens browse`."""
    parser = commands.add_parser(
        "browse",
        parents=[running(), printing()],
        help="a page over a folder of pictures, for this machine alone",
        description="Index a folder of pictures, and open a page in the browser that searches "
        "them. Example: twinlens browse photos clip-b32",
    )
    parser.add_argument(
        "folder", nargs="?", type=values.path, help="pictures (the drawings inside the package)"
    )
    parser.add_argument(
        "bundle", nargs="?", type=values.bundle, default=DEMO, help=f"{BUNDLE} (demo)"
    )
    add_pixels(parser)
    add_level(parser)
    parser.add_argument(
        "--index",
        type=values.folder,
        help="folder for the index and the thumbnails (one in the user's cache)",
    )
    parser.add_argument("--port", type=values.port, default=0, help="port to listen at (any free)")
    parser.add_argument("--no-open", action="store_true", help="open no browser")
