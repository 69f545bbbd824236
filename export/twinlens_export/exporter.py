"""The export: a checkpoint in, a verified bundle out."""

import importlib.metadata
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final, Generic

import numpy as np
import onnx

from twinlens.bundle.bundle import Bundle, open_bundle, sha256_of, write_manifest
from twinlens.bundle.manifest import Agreement, Manifest, Source, TowerFile, Towers
from twinlens.bundle.specs import PRECISIONS, Clean, Modality, Precision
from twinlens.calibration.calibrate import calibrate
from twinlens.datasets.pairs import Pairs
from twinlens.errors import TextError, TwinlensError, quoted
from twinlens.ort import native_operators
from twinlens.ort.device import CPU
from twinlens.ort.distributions import installed_distributions
from twinlens.ort.memory.freed_memory import give_back
from twinlens.ort.session import Session
from twinlens.texts.tokenizer import Tokenizer
from twinlens.threads import usable_threads
from twinlens_export.architecture import (
    F32,
    AnyImageTower,
    AnyTextTower,
    TracedImageTower,
    TracedTextTower,
)
from twinlens_export.assumed_calibration import assumed_calibrations
from twinlens_export.bundle_folder import clear_remains, new_folder, require_free
from twinlens_export.checkpoint_pair import pair_of
from twinlens_export.checkpoints.checkpoint import Checkpoint, read_checkpoint
from twinlens_export.description import described
from twinlens_export.errors import CheckpointError, ExportError
from twinlens_export.export_plan import (
    COSTS,
    REFERENCE_COST,
    REFERENCE_STEP,
    TUNING,
    export_plan,
    products,
    tower_step,
)
from twinlens_export.graph.graph import Array, Graph, save, save_beside
from twinlens_export.graph.one_arithmetic import has_one_arithmetic
from twinlens_export.graph.shape_nodes import shape_nodes
from twinlens_export.portable.model_files import with_model_files
from twinlens_export.portable.tokenizer_files import TOKENIZER_CONFIG, with_tokenizer_files
from twinlens_export.portable.tool_ids import keep_right_files
from twinlens_export.precision import RECIPES, in_precision, native_graph
from twinlens_export.presence import there
from twinlens_export.progress import Work, told
from twinlens_export.quantization.activation_stats import FRUGAL, image_batches, text_batches
from twinlens_export.quantization.sensitivity import sensitivities
from twinlens_export.quantization.tuning import BuildTower, Tower, tune
from twinlens_export.siglip_calibration import native_calibrations
from twinlens_export.towers.tower_graphs import image_graph, text_graph
from twinlens_export.verification import verify
from twinlens_export.verification.failures import told_failures
from twinlens_export.verification.pixels import require_pixels
from twinlens_export.verification.samples import (
    SampleFiles,
    Samples,
    read_samples,
    sample_images,
    sample_texts,
)
from twinlens_export.verification.token_ids import require_ids

logger = logging.getLogger(__name__)

ONNX_FOLDER: Final = "onnx"
"""Folder of the ONNX files: named as on the Hub, like the stems."""
STEMS: Final[Mapping[Modality, str]] = {"image": "vision_model", "text": "text_model"}
BUNDLED: Final = SampleFiles()
BARE: Final = frozenset({"canonical", "siglip"})
"""Cleaning rules that strip punctuation; not interchangeable with the others."""
MOST_KEPT: Final = 0.25
"""Largest share of a tower's blocks that may stay in float32 in an int8 tower."""
MAKERS: Final = ("twinlens", "torch", "transformers", "onnx")


def export(  # noqa: PLR0913 - each is an independent wish
    checkpoint: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    precisions: Sequence[Precision] = ("fp32", "int8"),
    samples: SampleFiles = BUNDLED,
    clean: Clean | None = None,
    text_from: str | os.PathLike[str] | None = None,
    pairs: Pairs | None = None,
    force: bool = False,
    progress: bool = False,
) -> Bundle:
    """Write the bundle of a checkpoint, its towers verified against the reference model.

    Token ids and pixels are compared with those of the checkpoint's own tokenizer and image
    processor first, on the samples and on odd texts and images.

    Args:
        checkpoint: a folder, a Hub id, or a file of weights.
        out: the bundle's folder, new or empty.
        precisions: any of "fp32", "fp16", "bf16", "int8".
        samples: images and texts to calibrate and to verify on; by default those inside the
            package.
        clean: cleaning of texts, if not the checkpoint's: "openai" as in OpenAI's own code, "none"
            as in transformers.
        text_from: another checkpoint, of which the text tower is taken: one that was trained for
            the image tower of the first.
        pairs: images and texts on which every precision is calibrated at once; without them the
            bundle has an assumed curve alone, used where level="assumed" is asked for.
        force: replace a bundle at `out`.
        progress: write lines on stderr, with the share of the work that is done and the time left.

    Raises:
        ExportError: nothing was written, or the bundle is whole, but not calibrated; the message
            has the reason and the cure.
    """
    target = Path(out)
    wanted = _known(precisions)
    clear_remains(target)
    require_free(target, force=force)
    work = Work()
    with told(work, shown=progress):
        original = read_checkpoint(os.fspath(checkpoint))
        if text_from is not None:
            original = pair_of(original, read_checkpoint(os.fspath(text_from)))
        original = with_tool_files(original)
        read = _cleaned(original, clean)
        with new_folder(target) as folder:
            for name, text in read.files.items():
                (folder / name).write_text(text, encoding="utf-8")
            compared = read_samples(samples, read, _tokenizer(folder, read))
            if (own := _tokenizer(folder, original)) is not None:
                require_ids(original, own, sample_texts(samples))
                if TOKENIZER_CONFIG in original.files:
                    keep_right_files(original, folder, own, sample_texts(samples))
            if original.image is not None:
                require_pixels(original, sample_images(samples))
            work.planned(export_plan(read, compared, wanted))
            reference = _reference(read, compared, work)
            # From here on nothing holds the model in torch: its memory is free for the towers.
            stored = read.without_model(folder)
            del original, read
            give_back()
            comparison = _Comparison(samples=compared, reference=reference, work=work)
            towers = _write_towers(stored, comparison, folder, wanted)
            manifest = _manifest(stored, folder, towers)
            assumed = assumed_calibrations(
                stored,
                towers,
                images=reference.images[: compared.n_images],
                texts=reference.texts[: compared.n_captions],
            )
            write_manifest(folder, replace(manifest, further_calibrations=assumed))
    if pairs is not None:
        calibrate_exported(target, pairs)
    return open_bundle(target)


def calibrate_exported(bundle: Path, pairs: Pairs) -> None:
    """Fit a calibration for each precision of a bundle.

    Raises:
        ExportError: it cannot be fitted; the bundle stays.
    """
    try:
        calibrate(bundle, pairs)
    except (TwinlensError, ValueError) as error:
        raise ExportError(
            f"{bundle} is written and whole, but it is not calibrated ({error}); "
            f"give other pairs: twinlens calibrate {bundle} pairs.csv"
        ) from error


def with_tool_files(checkpoint: Checkpoint) -> Checkpoint:
    """Return a checkpoint with the files that other tools read beside its two towers."""
    if checkpoint.image is None or checkpoint.text is None:
        return checkpoint
    return with_tokenizer_files(with_model_files(checkpoint))


def _reference(checkpoint: Checkpoint, samples: Samples, work: Work) -> verify.Reference:
    """Run the checkpoint's own model."""

    def embedded(batch: Array) -> None:
        is_pixels = batch.dtype == np.uint8
        tower = checkpoint.image_tower if is_pixels else checkpoint.text_tower
        work.advance(REFERENCE_COST * products(tower, batch))

    with work.during(REFERENCE_STEP):
        return verify.reference_of(checkpoint, samples, embedded=embedded)


def _tokenizer(folder: Path, checkpoint: Checkpoint) -> Tokenizer | None:
    if checkpoint.text_spec is None:
        return None
    try:
        return Tokenizer(folder / checkpoint.text_spec.tokenizer, checkpoint.text_spec)
    except TextError as error:
        raise CheckpointError(
            f"the runtime cannot use the tokenizer of {quoted(checkpoint.name)} ({error})"
        ) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class _Comparison:
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


def _cleaned(checkpoint: Checkpoint, clean: Clean | None) -> Checkpoint:
    spec = checkpoint.text_spec
    if clean is None:
        return checkpoint
    if spec is None:
        raise CheckpointError(
            f"{quoted(checkpoint.name)} has no text tower, so there are no texts to clean by the "
            f"rules of {clean!r}; leave clean out"
        )
    trained = spec.clean
    if trained in BARE:
        raise CheckpointError(
            f"{checkpoint.name} was trained on texts without punctuation ({trained}), so they "
            f"cannot be cleaned by the rules of {clean!r}; leave clean out"
        )
    return replace(checkpoint, text_spec=replace(spec, clean=clean))


def _known(precisions: Sequence[str]) -> list[Precision]:
    """Return the given precisions, each once, in the documented order."""
    unknown = [name for name in precisions if name not in PRECISIONS]
    if unknown or not precisions:
        raise ValueError(f"precisions are {list(precisions)}, not some of {', '.join(PRECISIONS)}")
    return [precision for precision in PRECISIONS if precision in precisions]


def _write_towers(
    checkpoint: Checkpoint,
    comparison: _Comparison,
    folder: Path,
    precisions: Sequence[Precision],
) -> dict[Precision, Towers]:
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
    checkpoint: Checkpoint, comparison: _Comparison
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
    checkpoint: Checkpoint, comparison: _Comparison
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


def _manifest(checkpoint: Checkpoint, folder: Path, towers: Mapping[Precision, Towers]) -> Manifest:
    tower_files = {name for each in towers.values() for name in each.hashes()}
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    names = [path.relative_to(folder).as_posix() for path in paths]
    return Manifest(
        family=checkpoint.family.name,
        source=Source(name=checkpoint.name, sha256=checkpoint.sha256),
        width=checkpoint.width,
        image=checkpoint.image_spec,
        text=checkpoint.text_spec,
        towers=towers,
        files={name: sha256_of(folder / name) for name in names if name not in tower_files},
        native_scale=checkpoint.native_scale,
        calibrations=native_calibrations(checkpoint, towers),
        made_by={name: importlib.metadata.version(name) for name in MAKERS}
        | installed_distributions(),
    )
