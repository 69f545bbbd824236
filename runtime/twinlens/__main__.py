"""The command line."""

import contextlib
import importlib
import json
import logging
import os
import sys
from collections.abc import Sequence
from typing import TextIO

import twinlens_command
from twinlens.commands.parsing.arguments import joined
from twinlens.commands.parsing.misuse import MisuseError
from twinlens.commands.parsing.parser import parser
from twinlens.commands.printing.error_line import error_line
from twinlens.commands.printing.progress import Progress
from twinlens.commands.printing.text import one_line, printable
from twinlens.errors import TRACEBACK
from twinlens_command import INTERRUPTED, is_interrupted


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        0 when all went well, 1 when something failed or was left out, 130 after an interruption.

    Raises:
        SystemExit: 2 on misuse: the command line could never work.
    """
    command = ""
    try:
        _open_closed_streams()
        options = parser().parse_args(joined(sys.argv[1:] if arguments is None else arguments))
        command = f" {options.command}"
        _log_to_stderr()
        with Progress(options.command, sys.stderr) as options.progress:
            outcome = importlib.import_module(f"twinlens.commands.{options.command}").run(options)
        text = _json(outcome.document) if options.json else _lines(outcome.lines)
        _write(text, to_stderr=outcome.to_stderr)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # the reader, such as head, has seen enough
        _forget(sys.stdout)
        return 1
    except MisuseError as error:
        sys.stderr.write(f"twinlens{command}: {one_line(str(error))}\n")
        sys.exit(2)
    except Exception as error:  # the last gate: one line, whatever has failed
        if is_interrupted(error):
            return INTERRUPTED
        if os.environ.get(TRACEBACK):
            raise
        sys.stderr.write(f"twinlens{command}: {error_line(error)}\n")
        return 1
    code: int = outcome.code
    return code


def _open_closed_streams() -> None:
    """Let a stream that the caller closed be empty, where Python would have None."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115


class _OneLine(logging.Formatter):
    """Format of a record: the level and one line."""

    def format(self, record: logging.LogRecord) -> str:
        return one_line(super().format(record))


def _log_to_stderr() -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(_OneLine("%(levelname)s: %(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)


def _json(document: object) -> str:
    return json.dumps(document, indent=2, allow_nan=False)


def _lines(lines: Sequence[str]) -> str:
    """Return the lines joined; the name of a file may hold what is none."""
    return "\n".join(map(printable, lines))


def _write(text: str, *, to_stderr: bool) -> None:
    stream = sys.stderr if to_stderr else sys.stdout
    encoding = stream.encoding or "utf-8"
    # A file's name need not be text, nor need the terminal know every letter.
    known = text.encode(encoding, "backslashreplace").decode(encoding)
    try:
        stream.write(f"{known}\n")
        stream.flush()
    except OSError:
        _forget(stream)
        raise


def _forget(stream: TextIO) -> None:
    """Send to nowhere the rest of a stream, which Python would write when it ends, and complain."""
    with contextlib.suppress(OSError):  # one that has no descriptor
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


if __name__ == "__main__":
    sys.exit(twinlens_command.main())
