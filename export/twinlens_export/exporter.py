"""The export: a checkpoint in, a verified bundle out."""

import importlib.metadata
import logging
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from twinlens.bundle.bundle import Bundle, open_bundle, sha256_of, write_manifest
from twinlens.bundle.manifest import Manifest, Source, Towers
from twinlens.bundle.specs import PRECISIONS, Clean, Precision
from twinlens.calibration.calibrate import calibrate
from twinlens.datasets.pairs import Pairs
from twinlens.errors import TextError, TwinlensError, quoted
from twinlens.ort.distributions import installed_distributions
from twinlens.ort.memory.freed_memory import give_back
from twinlens.texts.tokenizer import Tokenizer
from twinlens_export.bundle_folder import clear_remains, new_folder, require_free
from twinlens_export.calibration.assumed import assumed_calibrations
from twinlens_export.calibration.siglip import native_calibrations
from twinlens_export.checkpoint_pair import pair_of
from twinlens_export.checkpoints.checkpoint import Checkpoint, read_checkpoint
from twinlens_export.errors import CheckpointError, ExportError
from twinlens_export.export_plan import (
    REFERENCE_COST,
    REFERENCE_STEP,
    export_plan,
    products,
    tower_works,
)
from twinlens_export.graph.graph import Array
from twinlens_export.portable.model_files import with_model_files
from twinlens_export.portable.tokenizer_files import TOKENIZER_CONFIG, with_tokenizer_files
from twinlens_export.portable.tool_ids import keep_right_files
from twinlens_export.presence import there
from twinlens_export.progress import Work, told
from twinlens_export.tower_source import Comparison
from twinlens_export.tower_writer import write_towers
from twinlens_export.verification import verify
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

BUNDLED: Final = SampleFiles()
BARE: Final = frozenset({"canonical", "siglip"})
"""Cleaning rules that strip punctuation; not interchangeable with the others."""
LOWERED: Final = frozenset({"lower", "openai"})
"""Cleaning rules that are lower case and more, or lower case alone."""
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
        read = with_tool_files(_cleaned(original, clean))
        with new_folder(target) as folder:
            for name, text in read.files.items():
                (folder / name).write_text(text, encoding="utf-8")
            tokenizer = _tokenizer(folder, read)
            compared = read_samples(samples, read, tokenizer)
            if tokenizer is not None:
                own = tokenizer if clean is None else _own_tokenizer(original)
                require_ids(original, own, sample_texts(samples))
                if TOKENIZER_CONFIG in read.files:
                    keep_right_files(read, folder, tokenizer, sample_texts(samples))
            if original.image is not None:
                require_pixels(original, sample_images(samples))
            works = tower_works(read, compared)
            work.planned(export_plan(works, wanted))
            reference = _reference(read, compared, work)
            # From here on nothing holds the model in torch: its memory is free for the towers.
            stored = read.without_model(folder)
            del original, read, works
            give_back()
            works = tower_works(stored, compared)
            comparison = Comparison(samples=compared, reference=reference, work=work, works=works)
            towers = write_towers(stored, comparison, folder, wanted)
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
    """Return a checkpoint with the files that other tools read beside its towers."""
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


def _own_tokenizer(checkpoint: Checkpoint) -> Tokenizer:
    """Return the runtime's tokenizer with the checkpoint's own cleaning, in the place of another.

    Raises:
        CheckpointError: the runtime cannot use it.
    """
    with tempfile.TemporaryDirectory() as folder:
        spec = there(checkpoint.text_spec)
        text = there(checkpoint.tokenizer).json
        (Path(folder) / spec.tokenizer).write_text(text, encoding="utf-8")
        return there(_tokenizer(Path(folder), checkpoint))


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
    if clean == "none" and trained in LOWERED:
        clean = "lower"  # transformers' own tokenizer of such a checkpoint does it too
    return replace(checkpoint, text_spec=replace(spec, clean=clean))


def _known(precisions: Sequence[str]) -> list[Precision]:
    """Return the given precisions, each once, in the documented order."""
    unknown = [name for name in precisions if name not in PRECISIONS]
    if unknown or not precisions:
        raise ValueError(f"precisions are {list(precisions)}, not some of {', '.join(PRECISIONS)}")
    return [precision for precision in PRECISIONS if precision in precisions]


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
