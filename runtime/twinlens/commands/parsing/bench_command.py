"""Arguments of the command that measures speed."""

from twinlens.benchmarking.options import BOUND_MS, SCENARIOS, SECONDS
from twinlens.commands.parsing import values
from twinlens.commands.parsing.arguments import (
    BUNDLE,
    IMAGES,
    Parser,
    add_out,
    add_pixels,
    printing,
    running,
)
from twinlens.commands.parsing.image_commands import Commands

SHARE = "5%%"
"""As argparse wants a sign of percent."""
EXIT = """Exit code 1 if --compare, --against or --against-python finds a query that is slower by
more than --slower-than: its whole interval lies beyond. Ctrl-C ends a run with the results so far,
marked as partial, and the exit code is 130."""


def add_bench(commands: "Commands[Parser]") -> None:
    """Add `twinlens bench`."""
    parser = commands.add_parser(
        "bench",
        parents=[running(), printing()],
        help="how fast it is here: latency, throughput, load, search and cold start",
        description="Measure the speed of a bundle or of a service on this machine, and the error "
        "of its rows beside it. Example: twinlens bench clip-b32 --out here.json --html here.html",
        epilog=EXIT,
    )
    parser.add_argument("bundle", nargs="?", type=values.bundle, help=BUNDLE)
    _add_targets(parser)
    _add_work(parser)
    _add_comparisons(parser)
    add_out(parser, "a .json of every raw time, for --compare")
    parser.add_argument("--html", type=values.path, help="a page with charts")
    parser.swallows = True


def _add_targets(parser: Parser) -> None:
    add_pixels(parser)
    parser.add_argument(
        "--url",
        type=values.word,
        help="a running twinlens serve, or another server of OpenAI's embeddings; its rows are "
        "compared with those of BUNDLE, if that is given",
    )
    parser.add_argument(
        "--api-key-file", type=values.path, help="the key for --url: the first line of a file"
    )


def _add_work(parser: Parser) -> None:
    parser.add_argument(
        "--images", nargs="+", type=values.path, help=f"{IMAGES} (made ones of 640 x 480)"
    )
    parser.add_argument(
        "--texts", nargs="+", type=values.path, help="files of one text a line (made captions)"
    )
    parser.add_argument(
        "--scenarios",
        nargs="+",
        type=values.scenarios,
        help=f"some of: {' '.join(SCENARIOS)}, or with commas between them (all)",
    )
    parser.add_argument(
        "--seconds", type=values.seconds, help=f"time of measuring, of all together ({SECONDS:g})"
    )
    parser.add_argument(
        "--bound-ms",
        type=values.milliseconds,
        help=f"latency that 99 of 100 queries of the scenario server must keep ({BOUND_MS:g})",
    )
    parser.add_argument(
        "--loadgen",
        action="store_true",
        default=None,
        help="let MLCommons LoadGen send the queries of single, offline and server",
    )


def _add_comparisons(parser: Parser) -> None:
    parser.add_argument(
        "--compare",
        nargs=2,
        type=values.path,
        metavar=("A", "B"),
        help="two files of --out: the times of B over those of A",
    )
    parser.add_argument(
        "--against",
        type=values.bundle,
        metavar="OTHER",
        help="another bundle, asked in turn: its times over those of BUNDLE",
    )
    parser.add_argument(
        "--against-python",
        type=values.path,
        metavar="PYTHON",
        help="the interpreter of another twinlens, asked in turn: its times over those of this one",
    )
    parser.add_argument(
        "--slower-than",
        type=values.percent,
        metavar="SHARE",
        help=f"share of time by which a query may be slower ({SHARE})",
    )
