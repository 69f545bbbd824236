"""Completion of commands and options by the shell, as a script that shtab writes once."""

import argparse
import importlib
import sys
from collections.abc import Iterator, Sequence
from typing import Any, Final

from twinlens.commands.parsing import values

SHELLS: Final = ("bash", "zsh", "tcsh")
CURE: Final = "completion needs shtab; pip install 'twinlens[completion]'"
FILES: Final = (values.path, values.folder, values.bundle)
"""Types of the arguments that a shell completes by the names of files."""


class PrintCompletion(argparse.Action):
    """Option that prints the script of a shell and ends the program."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        _namespace: argparse.Namespace,
        value: str | Sequence[Any] | None,
        _option: str | None = None,
    ) -> None:
        """Print the script; exit code 1 if shtab is not installed."""
        try:
            shtab = importlib.import_module("shtab")
        except ImportError:
            parser.exit(1, f"{parser.prog}: {CURE}\n")
        for action in _actions(parser):
            if action.type in FILES:
                action.complete = shtab.FILE  # type: ignore[attr-defined]  # shtab reads it
        sys.stdout.write(f"{shtab.complete(parser, shell=value)}\n")
        parser.exit()


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Yield the arguments of a parser and of those below it."""
    for action in parser._actions:  # noqa: SLF001  argparse lists them nowhere else
        yield action
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for below in action.choices.values():
                yield from _actions(below)
