"""The towers of a bundle: written in each precision, and compared with the reference model."""

import logging
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final, Generic

import numpy as np
import onnx

from twinlens.bundle.bundle import sha256_of
from twinlens.bundle.manifest import TowerFile, Towers
from twinlens.bundle.specs import Modality, Precision
from twinlens.ort import native_operators
from twinlens.ort.device import CPU
from twinlens.ort.memory.freed_memory import give_back
from twinlens.ort.session import Session
from twinlens.ort.session_options import CpuMemory
from twinlens.threads import usable_threads
from twinlens_export.architecture import (
    F32,
    TracedImageTower,
    TracedTextTower,
)
from twinlens_export.checkpoints.checkpoint import Checkpoint
from twinlens_export.export_plan import GRAPHS_OF_TUNING, tower_step
from twinlens_export.graph.graph import Array, Graph, save, save_beside
from twinlens_export.graph.one_arithmetic import has_one_arithmetic
from twinlens_export.graph.read_graph import read_arrays
from twinlens_export.graph.shape_nodes import shape_nodes
from twinlens_export.precision import RECIPES, in_precision, native_graph
from twinlens_export.quantization.activation_stats import (
    FRUGAL,
    MAPPED,
)
from twinlens_export.quantization.kept_blocks import MOST_KEPT, fewest
from twinlens_export.quantization.sensitivity import sensitivities
from twinlens_export.quantization.tuning import Tower, TunedTower, tune
from twinlens_export.tower_source import Comparison, TowerSource, image_source, text_source
from twinlens_export.towers.description import described
from twinlens_export.verification import verify
from twinlens_export.verification.failures import told_failures
from twinlens_export.verification.hardest import (
    Hardest,
)

logger = logging.getLogger(__name__)

ONNX_FOLDER: Final = "onnx"
"""Folder of the ONNX files: named as on the Hub, like the stems."""
STEMS: Final[Mapping[Modality, str]] = {"image": "vision_model", "text": "text_model"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Written:
    """A written tower, and its rows of the compared samples: unit rows [N, D], and more if texts.

    Of texts the first N are those without padding.
    """

    file: TowerFile
    rows: F32


def write_towers(
    checkpoint: Checkpoint,
    comparison: Comparison,
    folder: Path,
    precisions: Sequence[Precision],
) -> dict[Precision, Towers]:
    """Write the towers of a checkpoint into a folder, each in every precision.

    Raises:
        AgreementError: one does not follow the reference model closely enough.
    """
    (folder / ONNX_FOLDER).mkdir()
    image, text = image_source(checkpoint, comparison), text_source(checkpoint, comparison)
    return {
        precision: Towers(
            device=RECIPES[precision].device,
            image=None if image is None else _write_tower(image, precision, folder),
            text=None if text is None else _write_tower(text, precision, folder),
        )
        for precision in precisions
    }


def _write_tower(source: TowerSource[Tower], precision: Precision, folder: Path) -> TowerFile:
    """Write one tower in one precision, and verify the written file."""
    with (
        source.work.during(tower_step(source.modality, precision)),
        told_failures(source.modality, precision),
    ):
        if precision == "int8":
            written = _write_int8(source, folder)
        else:
            graph = in_precision(partial(source.build_tower, source.tower), precision)
            written = _write(graph, source, precision, folder).file
    verify.require(written.agreement, precision, source.modality, kept=written.kept)
    return written


def _write_int8(source: TowerSource[Tower], folder: Path) -> TowerFile:
    """Write a tower in int8; where that is not close enough, with some blocks in float32."""
    fixed: tuple[str, ...] = ()
    if isinstance(source.tower, (TracedImageTower, TracedTextTower)):
        fixed = source.tower.body.float_parts
        if not source.tower.body.blocks:
            graph = in_precision(partial(source.build_tower, source.tower), "int8")
            return _write(graph, source, "int8", folder, kept=fixed).file
    tuned = tune(source.tower, source.build_tower, source.counted_batches(), folder)
    source.work.advance(GRAPHS_OF_TUNING * source.costs.building("int8"))
    written = _write(tuned.build(tuned.blocks()), source, "int8", folder, kept=fixed)
    if verify.holds(written.file.agreement, "int8"):
        return written.file
    with tempfile.TemporaryDirectory(dir=folder) as aside:
        first = _moved(folder / written.file.file, Path(aside))
        tries = _Tries(source=source, tuned=tuned, folder=folder, first=first, fixed=fixed)
        return tries.written(written)


@dataclass(slots=True, kw_only=True)
class _Tries(Generic[Tower]):
    """Tries at an int8 tower, each with some of its blocks in float32."""

    source: TowerSource[Tower]
    tuned: TunedTower[Tower]
    folder: Path
    first: Path
    """File of the tower with all blocks in int8, of which a try takes all that stays."""
    fixed: tuple[str, ...]
    """Parts that are in float32 in any case."""
    names: list[str] = field(init=False, default_factory=list)
    """Names of the blocks, the most sensitive first."""
    hardest: list[Hardest] = field(init=False, default_factory=list)
    """Of the whole comparisons so far."""
    known: Mapping[str, Array] = field(init=False, default_factory=dict)
    last: _Written = field(init=False)

    def written(self, first: _Written) -> TowerFile:
        """Write the tower with as few blocks in float32 as it takes, or with the most there may be.

        Args:
            first: the tower without such blocks.
        """
        source, work = self.source, self.source.work
        self.last, self.known = first, read_arrays(self.first)
        work.expect(source.costs.rescue())
        work.note = "the cost of int8 in each block"
        found = sensitivities(
            self.tuned.build,
            self.tuned.blocks(known=self.known),
            source.batches,
            self.folder,
            embedded=lambda batch: work.advance(source.measuring_cost(batch)),
        )
        work.advance(2 * source.costs.building("fp32"))
        self.names = list(found)
        self._learn(first)
        most = int(MOST_KEPT * len(self.names))
        fewest(most, seems=self._seems, holds=self._holds)
        return self.last.file

    def _seems(self, count: int) -> bool:
        """Return True if the tower with that many blocks in float32 is near on the hardest."""
        self._tell(count)
        path = self.first.with_name(f"{count}.onnx")
        graph = self._graph(count)
        names = graph.input.name, graph.output.name
        save_beside(graph, path, self.first)
        del graph
        self.source.work.advance(self.source.costs.building("int8") / 2)
        with _embedding(self.source, "int8", [path], names) as embed:
            rows_at = partial(self.source.rows_at, embed)
            near = all(each.seem_near(rows_at) for each in self.hardest)
        for file in path.parent.glob(f"{path.name}*"):
            file.unlink()
        return near

    def _holds(self, count: int) -> bool:
        """Write the tower with that many blocks in float32, and compare it on all samples."""
        self._tell(count)
        self.source.work.expect(self.source.costs.written("int8"))
        kept = (*self.names[:count], *self.fixed)
        self.last = _write(self._graph(count), self.source, "int8", self.folder, kept=kept)
        holds = verify.holds(self.last.file.agreement, "int8")
        if not holds:
            self._learn(self.last)
            self.source.work.expect(self.source.costs.tries())
        return holds

    def _graph(self, count: int) -> Graph:
        return self.tuned.build(self.tuned.blocks(kept=self.names[:count], known=self.known))

    def _learn(self, failed: _Written) -> None:
        wanted, tolerance = self.source.wanted, verify.TOLERANCES["int8"]
        self.hardest.append(Hardest.of(failed.rows[: len(wanted.rows)], wanted, tolerance))

    def _tell(self, count: int) -> None:
        self.source.work.note = f"{count} of {len(self.names)} blocks in fp32"


def _moved(path: Path, folder: Path) -> Path:
    """Move an ONNX file, and the weights beside it, into a folder."""
    for file in (path, path.with_name(f"{path.name}_data")):
        if file.exists():
            file.rename(folder / file.name)
    return folder / path.name


def _write(
    graph: Graph,
    source: TowerSource[Tower],
    precision: Precision,
    folder: Path,
    *,
    kept: tuple[str, ...] = (),
) -> _Written:
    """Write a tower: its graph, and the native one if there is a second.

    The graph that serves here is compared with the original on all samples. Where that is the
    second, the first is compared on a few: it has the same weights.
    """
    name = f"{ONNX_FOLDER}/{STEMS[source.modality]}{RECIPES[precision].suffix}.onnx"
    path = folder / name
    names = graph.input.name, graph.output.name
    about = partial(
        described, checkpoint=source.checkpoint, modality=source.modality, precision=precision
    )
    files: tuple[Path, ...] = save(about(graph), path)
    one_arithmetic = has_one_arithmetic(graph)
    source.work.advance(source.costs.building(precision))
    del graph  # the caller has handed it over: its arrays are free before the session packs others
    native: list[Path] = []
    second = native_graph(partial(source.build_tower, source.tower), precision)
    if second is not None:
        native = [path.with_name(f"{path.stem}_native.onnx")]
        save_beside(about(second), native[0], path)
        one_arithmetic = has_one_arithmetic(second)
        del second
    seen: list[F32] = []
    if not native or native_operators.serving() is None:
        with _embedding(source, precision, files, names, seen=seen) as embed:
            agreement = source.agreement(embed)
    else:
        with _embedding(source, precision, files, names, memory=MAPPED) as embed:
            worst = source.worst_of_few(embed)
        with _embedding(source, precision, (native[0], *files[1:]), names, seen=seen) as embed:
            agreement = source.agreement(embed)
        # The smaller of both, and NaN if one is.
        worst = float(np.minimum(worst, agreement.worst_cosine))
        agreement = replace(agreement, worst_cosine=worst)
    logger.info("%s: worst cosine %.6f%s", name, agreement.worst_cosine, _kept_note(kept))

    def hashes(written: Iterable[Path]) -> dict[str, str]:
        return {file.relative_to(folder).as_posix(): sha256_of(file) for file in written}

    written = TowerFile(
        file=name,
        sha256=sha256_of(path),
        beside=hashes(files[1:]),
        native=hashes(native),
        bytes=sum(file.stat().st_size for file in (*files, *native)),
        input=names[0],
        output=names[1],
        agreement=agreement,
        kept=kept,
        one_arithmetic=one_arithmetic,
        shape_nodes=shape_nodes(onnx.load(path, load_external_data=False)),
    )
    return _Written(file=written, rows=np.concatenate(seen))


@contextmanager
def _embedding(  # noqa: PLR0913  one choice each
    source: TowerSource[Tower],
    precision: Precision,
    files: Sequence[Path],
    names: tuple[str, str],
    *,
    memory: CpuMemory = FRUGAL,
    seen: list[F32] | None = None,
) -> Iterator[verify.EmbedRows]:
    """Open a written file, of which the names of input and output are given, with those beside it.

    Its weights are those of the files, as where the runtime opens it. Its rows are put into `seen`
    as well.
    """
    given, output = names
    path, *beside = files
    session = Session(
        path, device=CPU, threads=usable_threads(), name=path.name, memory=memory, beside=beside
    )

    def embed(batch: Array) -> F32:
        rows = session.run({given: batch}, output)
        source.work.advance(source.cost(batch, precision))
        if seen is not None:
            seen.append(rows)
        return rows

    try:
        yield embed
    finally:
        session.close()
        give_back()


def _kept_note(kept: tuple[str, ...]) -> str:
    return f", {', '.join(kept)} in float32" if kept else ""
