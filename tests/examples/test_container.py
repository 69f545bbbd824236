"""The container file: its instructions, its user, its signals."""

import json
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONTAINERFILE = ROOT / "examples" / "container" / "Containerfile"
INSTRUCTIONS = {
    "ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL",
    "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR",
}  # fmt: skip
"""All that a builder knows (Dockerfile reference), but for the deprecated MAINTAINER."""


@pytest.fixture(scope="module")
def stages() -> list[list[tuple[str, str]]]:
    """Instructions of each stage with their arguments, lines joined; comments are left out."""
    text = CONTAINERFILE.read_text(encoding="utf-8")
    lines = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    found: list[list[tuple[str, str]]] = []
    for line in re.sub(r"\\\n\s*", "", lines).splitlines():
        if not line:
            continue
        instruction, _, arguments = line.partition(" ")
        assert instruction in INSTRUCTIONS, line
        if instruction == "FROM":
            found.append([])
        found[-1].append((instruction, arguments))
    return found


@pytest.fixture
def last(stages: list[list[tuple[str, str]]]) -> dict[str, str]:
    """The last stage, whose instructions are each there once."""
    names = [name for name, _ in stages[-1]]
    assert len(names) == len(set(names))
    return dict(stages[-1])


def test_the_compiler_stays_in_the_first_stage(
    stages: list[list[tuple[str, str]]], last: dict[str, str]
) -> None:
    assert len(stages) == 2
    assert stages[0][0] == ("FROM", "python:3.13-slim AS build")
    assert last["FROM"] == "python:3.13-slim"
    assert "RUN" not in last
    assert last["COPY"] == "--from=build /opt/twinlens /opt/twinlens"


def test_the_extras_are_those_of_the_project(stages: list[list[tuple[str, str]]]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (wanted,) = re.findall(r"/source\[([\w,]+)\]", str(stages[0]))
    assert set(wanted.split(",")) == {"cpu", "serve"} <= set(project["optional-dependencies"])


def test_nobody_runs_it_and_sigterm_stops_it(last: dict[str, str]) -> None:
    user, group = map(int, last["USER"].split(":"))
    assert user > 0
    assert group > 0
    assert last["STOPSIGNAL"] == "SIGTERM"


def test_commands_are_lists_so_that_no_shell_stands_between_them_and_a_signal(
    last: dict[str, str],
) -> None:
    for command in (last["ENTRYPOINT"], last["CMD"], last["HEALTHCHECK"].partition("CMD ")[2]):
        assert all(isinstance(word, str) for word in json.loads(command))


def test_health_is_readiness_on_the_port_of_the_command(last: dict[str, str]) -> None:
    command = json.loads(last["ENTRYPOINT"])
    port = command[command.index("--port") + 1]
    assert last["EXPOSE"] == port
    assert f"http://127.0.0.1:{port}/health/ready" in last["HEALTHCHECK"]
    assert re.search(r"--interval=\d+s --timeout=\d+s", last["HEALTHCHECK"])
    compile(json.loads(last["HEALTHCHECK"].partition("CMD ")[2])[2], "HEALTHCHECK", "exec")


def test_another_address_than_loopback_has_a_key(last: dict[str, str]) -> None:
    words = [*json.loads(last["ENTRYPOINT"]), *json.loads(last["CMD"])]
    assert words[words.index("--host") + 1] == "0.0.0.0"
    assert words[words.index("--api-key-file") + 1].startswith("/run/secrets/")
    assert "--no-auth" not in words
