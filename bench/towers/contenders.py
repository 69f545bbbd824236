"""The contenders: what each is called, which engine runs it, and with which settings."""

import importlib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Protocol

from bench.towers.inputs.workspace import F32, SIDES, U8, Ground, Ids, Side

Embed = Callable[[], F32]
"""Does the work that is timed; what it is given was made ready before."""
Settings = Mapping[str, Any]


class Engine(Protocol):
    """One library with one model open."""

    def images(self, pixels: U8) -> Embed:
        """What embeds pixels [B, S, S, 3], in one call if B is 32 or less."""
        ...

    def texts(self, rows: Sequence[Ids]) -> Embed:
        """What embeds encoded texts; a batch is padded to its longest."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Contender:
    """One row of the tables."""

    name: str
    engine: str
    """Module of bench/towers/engines with `open_engine` and `first_rows`."""
    settings: Settings = field(default_factory=dict)
    graphs: str = ""
    """The kind of graphs that `preparing` makes for it."""
    core: bool = False
    """It also takes part where few do: on one thread, and in the larger models."""
    sizes: Sequence[int] = (1, 32)
    """Of the batches it takes part in."""
    sides: Sequence[Side] = SIDES
    """Of the towers that it has."""
    python: str = ""
    """The environment variable with the interpreter to run it, where it needs another."""

    def interpreter(self) -> str | None:
        """None where the one it needs was not given."""
        return os.environ.get(self.python) if self.python else sys.executable

    def takes(self, batch: int, side: Side) -> bool:
        return batch in self.sizes and side in self.sides

    def open(self, ground: Ground, sides: Sequence[Side], threads: int) -> Engine:
        module = importlib.import_module(f"bench.towers.engines.{self.engine}")
        opened: Engine = module.open_engine(ground, sides, threads, self.settings)
        return opened

    def first_rows(self, ground: Ground, threads: int) -> "FirstRows":
        """From nothing but files, to one picture and one text."""
        module = importlib.import_module(f"bench.towers.engines.{self.engine}")
        found: FirstRows = module.first_rows(ground, threads, self.settings)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstRows:
    """The rows [D] of a picture and a text, and what must stay open while memory is read."""

    image: F32
    text: F32
    held: object


SMALL: Final = (1, 32)
ALL: Final = (1, 32, 256)
LARGE: Final = (32, 256)


def _ours(precision: str) -> Contender:
    return Contender(
        name=f"twinlens {precision}",
        engine="twinlens",
        settings={"precision": precision, "public": False},
        core=True,
    )


def _public(precision: str) -> Contender:
    return Contender(
        name=f"twinlens {precision}, public call",
        engine="twinlens",
        settings={"precision": precision, "public": True},
        core=True,
        sizes=LARGE,
    )


def _onnxruntime(
    name: str, kind: str, *, core: bool = False, sizes: Sequence[int] = SMALL
) -> Contender:
    return Contender(
        name=f"onnxruntime, {name}",
        engine="onnxruntime",
        settings={"kind": kind},
        graphs=kind,
        core=core,
        sizes=sizes,
    )


def _torch(
    name: str, settings: Settings, *, core: bool = False, sizes: Sequence[int] = SMALL
) -> Contender:
    plain = {"attention": "sdpa", "compiled": False, "half": False}
    return Contender(
        name=name, engine="transformers", settings=plain | settings, core=core, sizes=sizes
    )


def _openvino(
    name: str,
    kind: str,
    settings: Settings = MappingProxyType({}),
    *,
    core: bool = False,
    sizes: Sequence[int] = SMALL,
) -> Contender:
    plain = {"kind": kind, "hint": "LATENCY", "rest": "bf16", "cached": False}
    return Contender(
        name=f"OpenVINO {name}",
        engine="openvino",
        settings=plain | settings,
        graphs=kind,
        core=core,
        sizes=sizes,
    )


def _optimum(library: str, python: str) -> Contender:
    return Contender(
        name=f"optimum-{library}",
        engine="optimum",
        settings={"library": library},
        sides=("image",),
        python=python,
    )


OURS: Final = "twinlens int8"
OURS_CUT: Final = "twinlens int8, public call"
"""The yardstick where batches are so large that they are cut."""
F32_REST: Final = {"rest": "f32"}
QUEUE: Final = {"hint": "THROUGHPUT"}
CONTENDERS: Final = (
    _ours("fp32"),
    _public("fp32"),
    _ours("int8"),
    _public("int8"),
    _onnxruntime("plain export", "plain", core=True, sizes=ALL),
    _onnxruntime("dynamo export", "dynamo"),
    _onnxruntime("quantize_dynamic", "dynamic", core=True, sizes=ALL),
    _torch("transformers eager", {"attention": "eager"}, core=True),
    _torch("transformers SDPA", {}),
    _torch("torch.compile", {"compiled": True}),
    _torch("bf16 autocast", {"half": True}, core=True, sizes=ALL),
    Contender(name="sentence-transformers", engine="sentence_transformers", sizes=ALL),
    _optimum("onnx", "OPTIMUM_ONNX_PYTHON"),
    _optimum("intel", "OPTIMUM_INTEL_PYTHON"),
    _openvino("fp32", "plain", F32_REST, core=True),
    _openvino("bf16", "plain", core=True),
    _openvino("bf16, throughput", "plain", QUEUE, sizes=LARGE),
    _openvino("int8", "nncf", core=True, sizes=ALL),
    _openvino("int8, fp32 rest", "nncf", F32_REST),
    _openvino("int8, throughput", "nncf", QUEUE, core=True, sizes=LARGE),
    _openvino("int8, our graph", "nncf_ours", core=True, sizes=ALL),
    _openvino("int8, our graph, throughput", "nncf_ours", QUEUE, core=True, sizes=LARGE),
)
BY_NAME: Final = {contender.name: contender for contender in CONTENDERS}
COLD_ONLY: Final = (_openvino("int8, compiled before", "nncf", {"cached": True}),)


def place(row: str) -> float:
    """Where a row stands in the tables; a contender's other way of being asked is below it."""
    names = [contender.name for contender in (*CONTENDERS, *COLD_ONLY)]
    whose = max((name for name in names if row.startswith(name)), key=len)
    return names.index(whose) + (row != whose) / 2
