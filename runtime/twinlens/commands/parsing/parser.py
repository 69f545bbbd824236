"""The parser of the whole command line."""

from typing import Final

import twinlens
from twinlens.commands.parsing import (
    bench_command,
    browse_command,
    image_commands,
    pair_commands,
    serve_command,
    values,
)
from twinlens.commands.parsing.arguments import Parser, printing
from twinlens.commands.parsing.completion import SHELLS, PrintCompletion
from twinlens.loading import DEMO

CODES: Final = (
    "exit code: 0 when all went well, 1 when something failed or was left out, 2 when the command "
    "line could never work, 130 when it was interrupted"
)


def parser() -> Parser:
    """Return the parser of all commands."""
    root = Parser(prog="twinlens", description="CLIP-like models without torch.", epilog=CODES)
    root.add_argument("--version", action="version", version=f"twinlens {twinlens.__version__}")
    root.add_argument(
        "--print-completion",
        action=PrintCompletion,
        choices=SHELLS,
        help='print a script for the shell: eval "$(twinlens --print-completion bash)"',
    )
    commands = root.add_subparsers(
        dest="command", required=True, metavar="command", parser_class=Parser
    )
    image_commands.add_demo(commands)
    image_commands.add_embed(commands)
    image_commands.add_index(commands)
    image_commands.add_search(commands)
    image_commands.add_classify(commands)
    pair_commands.add_match(commands)
    pair_commands.add_calibrate(commands)
    pair_commands.add_evaluate(commands)
    serve_command.add_serve(commands)
    browse_command.add_browse(commands)
    bench_command.add_bench(commands)
    info = commands.add_parser(
        "info",
        parents=[printing()],
        help="contents of a bundle, an index or embeddings; every file is checked",
        description="Print the contents of a bundle, an index or a folder of embeddings, and check "
        "every file by its hash. Example: twinlens info clip-b32",
    )
    info.add_argument(
        "bundle",
        type=values.bundle,
        help='the folder of a bundle, an index or embeddings, or "demo"',
    )
    doctor = commands.add_parser(
        "doctor",
        parents=[printing()],
        help="what works here, and the cures",
        description="Print the devices, kernels and operators that work on this machine, and the "
        "cure of each that does not. Example: twinlens doctor",
    )
    doctor.add_argument(
        "bundle",
        nargs="?",
        type=values.bundle,
        default=DEMO,
        help="a bundle with towers for CUDA, to try them on a GPU",
    )
    return root
