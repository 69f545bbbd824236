"""Services that are compared, each with the command that starts it."""

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bench.harness.machine import installed
from bench.towers.inputs.workspace import Workspace
from twinlens.bundle.bundle import open_bundle

OURS: Final = "twinlens serve"
ENGINE: Final = "AsyncModel, no HTTP"
PLAIN: Final = "FastAPI, plain onnxruntime int8"
INFINITY: Final = "infinity"
LITSERVE: Final = "LitServe, twinlens towers"
THREADS: Final = "FastAPI, twinlens in threads"

Command = Callable[[Workspace, int], list[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One service: how it is started and asked."""

    name: str
    command: Command | None
    """None: the engine, which the load generator itself holds."""
    path: str = "/v1/embeddings"
    ready_path: str = "/ready"
    library: str | None = None
    """Library that must be installed here."""
    variable: str | None = None
    """Environment variable with the interpreter of an environment of its own."""
    same_towers: bool = False
    """True if its rows are those of twinlens; they are compared to the bit."""
    env: Mapping[str, str] = field(default_factory=dict)

    def is_there(self) -> bool:
        """Return False, and say so, if it is left out."""
        if self.variable is not None and self.variable not in os.environ:
            print(f"{self.variable} is not set: {self.name} is left out", flush=True)
            return False
        return self.library is None or installed(self.library)


def _ours(workspace: Workspace, port: int) -> list[str]:
    return [
        *(sys.executable, "-m", "twinlens", "serve", str(workspace.bundle), "--port", str(port)),
        *("--name", "clip", "--log", "off"),
    ]


def _plain(workspace: Workspace, port: int) -> list[str]:
    bundle = workspace.bundle
    side = open_bundle(bundle).manifest.image.side_px
    return [
        *(sys.executable, "-W", "ignore", "-m", "bench.serving.servers.plain"),
        *(str(workspace.folder / "dynamic"), str(bundle / "tokenizer.json"), str(side), str(port)),
    ]


def _module(name: str) -> Command:
    module = f"bench.serving.servers.{name}"
    return lambda workspace, port: [
        *(sys.executable, "-W", "ignore", "-m", module, str(workspace.bundle), str(port))
    ]


def _infinity(workspace: Workspace, port: int) -> list[str]:
    # Its warm-up embeds 32 long texts twice before it opens its port, some 15 s here.
    program = Path(os.environ["INFINITY_PYTHON"]).parent / "infinity_emb"
    return [
        *(str(program), "v2", "--model-id", str(workspace.checkpoint), "--port", str(port)),
        *("--served-model-name", "clip", "--host", "127.0.0.1", "--engine", "torch"),
        *("--device", "cpu", "--dtype", "float32", "--no-bettertransformer", "--no-model-warmup"),
        *("--log-level", "error"),
    ]


CONTENDERS: Final = (
    Contender(name=OURS, command=_ours, ready_path="/health/ready", same_towers=True),
    Contender(name=ENGINE, command=None, same_towers=True),
    Contender(name=THREADS, command=_module("threads"), library="fastapi", same_towers=True),
    Contender(
        name=LITSERVE,
        command=_module("litserve_towers"),
        ready_path="/health",
        library="litserve",
        same_towers=True,
    ),
    Contender(name=PLAIN, command=_plain, library="fastapi"),
    Contender(
        name=INFINITY,
        command=_infinity,
        path="/embeddings",
        ready_path="/health",
        variable="INFINITY_PYTHON",
        env={"DO_NOT_TRACK": "1", "INFINITY_ANONYMOUS_USAGE_STATS": "0"},
    ),
)
"""Ours first, then by what they share with it."""
BY_NAME: Final = {one.name: one for one in CONTENDERS}
