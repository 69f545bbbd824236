"""Contenders: the name, the engine and the settings of each."""

import importlib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from types import MappingProxyType
from typing import Any, Final, Protocol

from bench.harness.embeddings import F32
from bench.towers.inputs.workspace import MODALITIES, U8, Ids, Modality, Workspace

Embed = Callable[[], F32]
"""Call that is timed; its inputs were prepared before."""
Settings = Mapping[str, Any]


class Engine(Protocol):
    """One library with one model open."""

    def images(self, pixels: U8) -> Embed:
        """Return the call that embeds pixels [B, S, S, 3], in one batch if B is 32 or less."""
        ...

    def texts(self, rows: Sequence[Ids]) -> Embed:
        """Return the call that embeds encoded texts; a batch is padded to its longest."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Contender:
    """Library as it is set up for one row of the tables."""

    name: str
    engine: str
    """Module of bench/towers/engines with `open_engine` and `first_embeddings`."""
    settings: Settings = field(default_factory=dict)
    graphs: str = ""
    """Kind of graphs that `prepare` makes for it."""
    core: bool = False
    """True if it also takes part where few do: on one thread, and in the larger models."""
    sizes: Sequence[int] = (1, 32)
    """Batches that it takes part in."""
    modalities: Sequence[Modality] = MODALITIES
    """Towers that it has."""
    python: str = ""
    """Environment variable with the interpreter to run it, where it needs another."""
    library: str = ""
    """Optional library that it needs in our own interpreter, to run or to be prepared."""

    def interpreter(self) -> str | None:
        """Return the interpreter to run it; None where that or its library is not there."""
        if self.python:
            return os.environ.get(self.python)
        return None if self.library and not find_spec(self.library) else sys.executable

    def takes(self, batch: int, modality: Modality) -> bool:
        return batch in self.sizes and modality in self.modalities

    def open(self, workspace: Workspace, modalities: Sequence[Modality], threads: int) -> Engine:
        module = importlib.import_module(f"bench.towers.engines.{self.engine}")
        opened: Engine = module.open_engine(workspace, modalities, threads, self.settings)
        return opened

    def first_embeddings(self, workspace: Workspace, threads: int) -> "FirstEmbeddings":
        """Embed one picture and one text, from nothing but files."""
        module = importlib.import_module(f"bench.towers.engines.{self.engine}")
        found: FirstEmbeddings = module.first_embeddings(workspace, threads, self.settings)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstEmbeddings:
    """Rows [D] of a picture and a text, and the objects to keep open while memory is read."""

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
    name: str, kind: str, *, core: bool = False, sizes: Sequence[int] = SMALL, library: str = ""
) -> Contender:
    return Contender(
        name=f"onnxruntime, {name}",
        engine="onnxruntime",
        library=library,
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
        library="openvino",
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
        modalities=("image",),
        python=python,
    )


OURS: Final = "twinlens int8"
OURS_CUT: Final = "twinlens int8, public call"
"""Yardstick where batches are so large that they are cut."""
F32_REST: Final = {"rest": "f32"}
QUEUE: Final = {"hint": "THROUGHPUT"}
CONTENDERS: Final = (
    _ours("fp32"),
    _public("fp32"),
    _ours("bf16"),
    _public("bf16"),
    _ours("int8"),
    _public("int8"),
    _onnxruntime("plain export", "plain", core=True, sizes=ALL),
    _onnxruntime("dynamo export", "dynamo", library="onnxscript"),
    _onnxruntime("quantize_dynamic", "dynamic", core=True, sizes=ALL),
    _torch("transformers eager", {"attention": "eager"}, core=True),
    _torch("transformers SDPA", {}),
    _torch("torch.compile", {"compiled": True}),
    _torch("bf16 autocast", {"half": True}, core=True, sizes=ALL),
    Contender(
        name="sentence-transformers",
        engine="sentence_transformers",
        library="sentence_transformers",
        sizes=ALL,
    ),
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
    """Return the row's place in the tables; the padded row of a contender is below its own."""
    names = [contender.name for contender in (*CONTENDERS, *COLD_ONLY)]
    whose = max((name for name in names if row.startswith(name)), key=len)
    return names.index(whose) + (row != whose) / 2
