"""The export: a checkpoint in, a verified bundle out."""

import importlib.metadata
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final, Generic

import onnx

from twinlens.bundle.bundle import Bundle, open_bundle, sha256_of, write_manifest
from twinlens.bundle.manifest import Agreement, Manifest, Source, TowerFile, Towers
from twinlens.bundle.specs import PRECISIONS, Clean, Modality, Precision
from twinlens.ort.device import CPU
from twinlens.ort.distributions import installed_distributions
from twinlens.ort.session import Session
from twinlens.texts.tokenizer import Tokenizer
from twinlens.threads import usable_threads
from twinlens_export.bundle_folder import new_folder, require_free
from twinlens_export.checkpoints.checkpoint import Checkpoint, read_checkpoint
from twinlens_export.checkpoints.hub_files import TOKENIZER
from twinlens_export.errors import CheckpointError
from twinlens_export.graph.graph import Array, Graph, save
from twinlens_export.graph.shape_nodes import shape_nodes
from twinlens_export.precision import RECIPES, in_precision
from twinlens_export.quantization.activation_stats import image_batches, text_batches
from twinlens_export.quantization.sensitivity import costs
from twinlens_export.quantization.tuning import Draw, Tower, tuned
from twinlens_export.siglip_calibration import native_calibrations
from twinlens_export.towers.tower_graphs import image_graph, text_graph
from twinlens_export.verification import verify
from twinlens_export.verification.samples import SampleFiles, Samples, read_samples

logger = logging.getLogger(__name__)

PROGRAMS: Final = "onnx"
"""The folder of the programs: as on the Hub, like the stems."""
STEMS: Final[Mapping[Modality, str]] = {"image": "vision_model", "text": "text_model"}
BUNDLED: Final = SampleFiles()
BARE: Final = frozenset({"canonical", "siglip"})
"""Rules that drop what other rules keep: no other can stand in for them."""
MOST_KEPT: Final = 0.25
"""Share of a tower's blocks that may stay in float32: with more, int8 is not worth its name."""
MAKERS: Final = ("twinlens", "torch", "transformers", "onnx")


def export(  # noqa: PLR0913 - each is an independent wish
    checkpoint: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    precisions: Sequence[Precision] = ("fp32", "int8"),
    samples: SampleFiles = BUNDLED,
    clean: Clean | None = None,
    force: bool = False,
) -> Bundle:
    """Write the bundle of a checkpoint; every tower in it was verified against the original.

    Args:
        checkpoint: a folder that transformers saved, or a Hub id.
        out: the bundle's folder. It must not exist, or be empty.
        precisions: which to write: "fp32", "fp16", "int8".
        samples: pictures and texts to calibrate and to verify on; by default those inside the
            package.
        clean: what is done to a text first, if not what the checkpoint says: "openai" as OpenAI's
            own code does, "none" as transformers does.
        force: replace a bundle that is at `out`.

    Raises:
        ExportError: nothing was written; the message has the reason and the cure.
    """
    place = Path(out)
    wanted = _known(precisions)
    require_free(place, force=force)
    read = _cleaned(read_checkpoint(os.fspath(checkpoint)), clean)
    with new_folder(place) as folder:
        for name, text in read.files.items():
            (folder / name).write_text(text, encoding="utf-8")
        tokenizer = Tokenizer(folder / TOKENIZER, read.text_spec)
        towers = _write_towers(read, read_samples(samples, read, tokenizer), folder, wanted)
        write_manifest(folder, _manifest(read, folder, towers))
    return open_bundle(place)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sketch(Generic[Tower]):
    """One tower before it has a precision, and how it is compared with the original."""

    modality: Modality
    tower: Tower
    draw: Draw[Tower]
    batches: Sequence[Array]
    """Of calibration samples."""
    agreement: Callable[[verify.Program], Agreement]


def _cleaned(checkpoint: Checkpoint, clean: Clean | None) -> Checkpoint:
    if clean is None:
        return checkpoint
    trained = checkpoint.text_spec.clean
    if trained in BARE:
        raise CheckpointError(
            f"{checkpoint.name} was trained on texts without punctuation ({trained}), so they "
            f"cannot be cleaned by the rules of {clean!r}; leave clean out"
        )
    return replace(checkpoint, text_spec=replace(checkpoint.text_spec, clean=clean))


def _known(precisions: Sequence[str]) -> list[Precision]:
    """The precisions asked for, each once, in the order in which they are documented."""
    unknown = [name for name in precisions if name not in PRECISIONS]
    if unknown or not precisions:
        raise ValueError(f"precisions are {list(precisions)}, not some of {', '.join(PRECISIONS)}")
    return [precision for precision in PRECISIONS if precision in precisions]


def _write_towers(
    checkpoint: Checkpoint, samples: Samples, folder: Path, precisions: Sequence[Precision]
) -> dict[Precision, Towers]:
    truth = verify.truth_of(checkpoint, samples)
    (folder / PROGRAMS).mkdir()
    image = _Sketch(
        modality="image",
        tower=checkpoint.image,
        draw=image_graph,
        batches=image_batches(samples.calibration.images),
        agreement=lambda program: verify.image_agreement(program, samples, truth),
    )
    text = _Sketch(
        modality="text",
        tower=checkpoint.text,
        draw=text_graph,
        batches=text_batches(samples.calibration.texts, checkpoint.text_spec),
        agreement=lambda program: verify.text_agreement(program, samples, truth, checkpoint),
    )
    return {
        precision: Towers(
            device=RECIPES[precision].device,
            image=_write_tower(image, precision, folder),
            text=_write_tower(text, precision, folder),
        )
        for precision in precisions
    }


def _write_tower(sketch: _Sketch[Tower], precision: Precision, folder: Path) -> TowerFile:
    """Write one tower in one precision; what is verified is the file itself."""
    if precision == "int8":
        written = _write_int8(sketch, folder)
    else:
        graph = in_precision(partial(sketch.draw, sketch.tower), precision)
        written = _write(graph, sketch, precision, folder)
    verify.require(written.agreement, precision, sketch.modality, kept=written.kept)
    return written


def _write_int8(sketch: _Sketch[Tower], folder: Path) -> TowerFile:
    """Write a tower in int8, and in float32 what it cannot bear, one block more at a time."""
    ready = tuned(sketch.tower, sketch.draw, sketch.batches, folder)
    written = _write(ready.build(ready.blocks()), sketch, "int8", folder)
    if verify.holds(written.agreement, "int8"):
        return written
    dearest = list(costs(ready.build, ready.blocks(), sketch.batches, folder))
    for count in range(1, 1 + int(MOST_KEPT * len(dearest))):
        kept = tuple(dearest[:count])
        graph = ready.build(ready.blocks(kept=kept))
        written = _write(graph, sketch, "int8", folder, kept=kept)
        if verify.holds(written.agreement, "int8"):
            break
    return written


def _write(
    graph: Graph,
    sketch: _Sketch[Tower],
    precision: Precision,
    folder: Path,
    *,
    kept: tuple[str, ...] = (),
) -> TowerFile:
    name = f"{PROGRAMS}/{STEMS[sketch.modality]}{RECIPES[precision].suffix}.onnx"
    path = folder / name
    files = save(graph, path)
    session = Session(path, device=CPU, threads=usable_threads(), name=name)
    agreement = sketch.agreement(
        lambda batch: session.run({graph.input.name: batch}, graph.output.name)
    )
    logger.info("%s: worst cosine %.6f%s", name, agreement.worst_cosine, _but(kept))
    return TowerFile(
        file=name,
        sha256=sha256_of(path),
        beside={file.relative_to(folder).as_posix(): sha256_of(file) for file in files[1:]},
        bytes=sum(file.stat().st_size for file in files),
        input=graph.input.name,
        output=graph.output.name,
        agreement=agreement,
        kept=kept,
        shape_nodes=shape_nodes(onnx.load(path, load_external_data=False)),
    )


def _but(kept: tuple[str, ...]) -> str:
    return f", {', '.join(kept)} in float32" if kept else ""


def _manifest(checkpoint: Checkpoint, folder: Path, towers: Mapping[Precision, Towers]) -> Manifest:
    programs = {
        name
        for pair in towers.values()
        for tower in (pair.image, pair.text)
        for name in tower.hashes()
    }
    others = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    names = [path.relative_to(folder).as_posix() for path in others]
    return Manifest(
        family=checkpoint.family.name,
        source=Source(name=checkpoint.name, sha256=checkpoint.sha256),
        width=checkpoint.image.output_width,
        image=checkpoint.image_spec,
        text=checkpoint.text_spec,
        towers=towers,
        files={name: sha256_of(folder / name) for name in names if name not in programs},
        native_scale=checkpoint.native_scale,
        calibrations=native_calibrations(checkpoint, towers),
        made_by={name: importlib.metadata.version(name) for name in MAKERS}
        | installed_distributions(),
    )
