"""The help of every command says what it does, by an example that the parser takes."""

import argparse
import re
import shlex
from collections.abc import Mapping
from typing import Final

import pytest

from twinlens.commands.parsing.parser import parser

EXAMPLE: Final = re.compile(r"Example: twinlens (.*)$", re.DOTALL)


def commands() -> Mapping[str, argparse.ArgumentParser]:
    """Return the parser of each command, by its name."""
    (found,) = (
        action
        for action in parser()._actions  # argparse lists them nowhere else
        if isinstance(action, argparse._SubParsersAction)
    )
    choices: Mapping[str, argparse.ArgumentParser] = found.choices
    return choices


@pytest.mark.parametrize("name", commands())
def test_help_begins_with_what_the_command_does(name: str) -> None:
    described = commands()[name].description
    assert described
    assert described[0].isupper()
    assert described.split()[0] in commands()[name].format_help()


@pytest.mark.parametrize("name", sorted(commands().keys() - {"demo"}))
def test_the_example_of_a_help_is_a_line_that_the_parser_takes(name: str) -> None:
    example = EXAMPLE.search(commands()[name].description or "")
    assert example
    words = shlex.split(example.group(1))
    assert words[0] == name
    assert parser().parse_args(words).command == name
