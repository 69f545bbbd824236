"""The towers of a bundle: written in each precision, and compared with the reference model."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final, Generic

import numpy as np
import onnx

from twinlens.bundle.bundle import sha256_of
from twinlens.bundle.manifest import Agreement, TowerFile, Towers
from twinlens.bundle.specs import Modality, Precision
from twinlens.ort import native_operators
from twinlens.ort.device import CPU
from twinlens.ort.memory.freed_memory import give_back
from twinlens.ort.session import Session
from twinlens.threads import usable_threads
from twinlens_export.architecture import (
    F32,
    AnyImageTower,
    AnyTextTower,
    TracedImageTower,
    TracedTextTower,
)
from twinlens_export.checkpoints.checkpoint import Checkpoint
from twinlens_export.description import described
from twinlens_export.export_plan import (
    COSTS,
    TUNING,
    products,
    tower_step,
)
from twinlens_export.graph.graph import Array, Graph, save, save_beside
from twinlens_export.graph.one_arithmetic import has_one_arithmetic
from twinlens_export.graph.shape_nodes import shape_nodes
from twinlens_export.precision import RECIPES, in_precision, native_graph
from twinlens_export.presence import there
from twinlens_export.progress import Work
from twinlens_export.quantization.activation_stats import FRUGAL, image_batches, text_batches
from twinlens_export.quantization.sensitivity import sensitivities
from twinlens_export.quantization.tuning import BuildTower, Tower, tune
from twinlens_export.towers.tower_graphs import image_graph, text_graph
from twinlens_export.verification import verify
from twinlens_export.verification.failures import told_failures
from twinlens_export.verification.samples import (
    Samples,
)

logger = logging.getLogger(__name__)

ONNX_FOLDER: Final = "onnx"
"""Folder of the ONNX files: named as on the Hub, like the stems."""
STEMS: Final[Mapping[Modality, str]] = {"image": "vision_model", "text": "text_model"}
MOST_KEPT: Final = 0.25
"""Largest share of a tower's blocks that may stay in float32 in an int8 tower."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Samples that all towers are compared on, and the work that this is."""

    samples: Samples
    reference: verify.Reference
    work: Work


@dataclass(frozen=True, slots=True, kw_only=True)
class _TowerSource(Generic[Tower]):
    """One tower before it has a precision, and its comparison with the reference model."""

    modality: Modality
    tower: Tower
    build_tower: BuildTower[Tower]
    batches: Sequence[Array]
    """Calibration samples."""
    agreement: Callable[[verify.EmbedRows], Agreement]
    worst_of_few: Callable[[verify.EmbedRows], float]
    work: Work
    checkpoint: Checkpoint
    """For the description of the files."""

    def cost(self, batch: Array, precision: Precision) -> float:
        """Cost of embedding one batch."""
        return COSTS[precision] * products(self.tower, batch)

    def counted_batches(self) -> Sequence[Array]:
        """Calibration samples that count as work when they are walked through."""
        return self.work.counted(self.batches, lambda batch: TUNING * products(self.tower, batch))


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
    image, text = _image_source(checkpoint, comparison), _text_source(checkpoint, comparison)
    return {
        precision: Towers(
            device=RECIPES[precision].device,
            image=None if image is None else _write_tower(image, precision, folder),
            text=None if text is None else _write_tower(text, precision, folder),
        )
        for precision in precisions
    }


def _image_source(
    checkpoint: Checkpoint, comparison: Comparison
) -> _TowerSource[AnyImageTower] | None:
    if checkpoint.image is None:
        return None
    samples, reference = comparison.samples, comparison.reference
    return _TowerSource(
        modality="image",
        tower=checkpoint.image,
        build_tower=image_graph,
        batches=image_batches(samples.calibration.images),
        work=comparison.work,
        checkpoint=checkpoint,
        agreement=lambda embed: verify.image_agreement(embed, samples, reference),
        worst_of_few=lambda embed: verify.worst_of_few_images(embed, samples, reference),
    )


def _text_source(
    checkpoint: Checkpoint, comparison: Comparison
) -> _TowerSource[AnyTextTower] | None:
    if checkpoint.text is None:
        return None
    samples, reference = comparison.samples, comparison.reference
    return _TowerSource(
        modality="text",
        tower=checkpoint.text,
        build_tower=text_graph,
        batches=text_batches(samples.calibration.texts, there(checkpoint.text_spec)),
        work=comparison.work,
        checkpoint=checkpoint,
        agreement=lambda embed: verify.text_agreement(embed, samples, reference, checkpoint),
        worst_of_few=lambda embed: verify.worst_of_few_texts(embed, samples, reference, checkpoint),
    )


def _write_tower(source: _TowerSource[Tower], precision: Precision, folder: Path) -> TowerFile:
    """Write one tower in one precision, and verify the written file."""
    with (
        source.work.during(tower_step(source.modality, precision)),
        told_failures(source.modality, precision),
    ):
        if precision == "int8":
            written = _write_int8(source, folder)
        else:
            graph = in_precision(partial(source.build_tower, source.tower), precision)
            written = _write(graph, source, precision, folder)
    verify.require(written.agreement, precision, source.modality, kept=written.kept)
    return written


def _write_int8(source: _TowerSource[Tower], folder: Path) -> TowerFile:
    """Write a tower in int8; one more sensitive block at a time in float32 until it is close."""
    fixed: tuple[str, ...] = ()
    kept: tuple[str, ...]
    if isinstance(source.tower, (TracedImageTower, TracedTextTower)):
        fixed = source.tower.body.float_parts
        if not source.tower.body.blocks:
            graph = in_precision(partial(source.build_tower, source.tower), "int8")
            return _write(graph, source, "int8", folder, kept=fixed)
    tuned = tune(source.tower, source.build_tower, source.counted_batches(), folder)
    written = _write(tuned.build(tuned.blocks()), source, "int8", folder, kept=fixed)
    if verify.holds(written.agreement, "int8"):
        return written
    by_sensitivity = list(sensitivities(tuned.build, tuned.blocks(), source.batches, folder))
    for count in range(1, 1 + int(MOST_KEPT * len(by_sensitivity))):
        kept = tuple(by_sensitivity[:count])
        source.work.extend(tower_step(source.modality, "int8"))
        graph = tuned.build(tuned.blocks(kept=kept))
        written = _write(graph, source, "int8", folder, kept=(*kept, *fixed))
        if verify.holds(written.agreement, "int8"):
            break
    return written


def _write(
    graph: Graph,
    source: _TowerSource[Tower],
    precision: Precision,
    folder: Path,
    *,
    kept: tuple[str, ...] = (),
) -> TowerFile:
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
    del graph  # the caller has handed it over: its arrays are free before the session packs others
    native: list[Path] = []
    second = native_graph(partial(source.build_tower, source.tower), precision)
    if second is not None:
        native = [path.with_name(f"{path.stem}_native.onnx")]
        save_beside(about(second), native[0], path)
        one_arithmetic = has_one_arithmetic(second)
        del second
    if not native or native_operators.serving() is None:
        with _embedding(source, precision, path, names) as embed:
            agreement = source.agreement(embed)
    else:
        with _embedding(source, precision, path, names) as embed:
            worst = source.worst_of_few(embed)
        with _embedding(source, precision, native[0], names) as embed:
            agreement = source.agreement(embed)
        # The smaller of both, and NaN if one is.
        worst = float(np.minimum(worst, agreement.worst_cosine))
        agreement = replace(agreement, worst_cosine=worst)
    logger.info("%s: worst cosine %.6f%s", name, agreement.worst_cosine, _kept_note(kept))

    def hashes(written: Iterable[Path]) -> dict[str, str]:
        return {file.relative_to(folder).as_posix(): sha256_of(file) for file in written}

    return TowerFile(
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


@contextmanager
def _embedding(
    source: _TowerSource[Tower], precision: Precision, path: Path, names: tuple[str, str]
) -> Iterator[verify.EmbedRows]:
    """Open a written file, of which the names of input and output are given."""
    given, output = names
    session = Session(path, device=CPU, threads=usable_threads(), name=path.name, memory=FRUGAL)

    def embed(batch: Array) -> F32:
        rows = session.run({given: batch}, output)
        source.work.advance(source.cost(batch, precision))
        return rows

    yield embed
    session.close()
    give_back()


def _kept_note(kept: tuple[str, ...]) -> str:
    return f", {', '.join(kept)} in float32" if kept else ""
