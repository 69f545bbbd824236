"""The portable folder of a bundle: its towers as the tools of other people read them.

    FOLDER/config.json, tokenizer.json, preprocessor_config.json ...
    FOLDER/onnx/vision_model.onnx, text_model.onnx      fp32; with _fp16, and _quantized for int8

Names: those of the Hub, by which transformers.js and its kin find a file. The towers have operators
of ONNX alone, take the float pixels of an image processor, and ids of any length.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

from twinlens.bundle.bundle import Bundle
from twinlens.bundle.specs import Precision
from twinlens.errors import quoted
from twinlens_export.bundle_folder import new_folder
from twinlens_export.errors import ExportError
from twinlens_export.export_plan import tower_step
from twinlens_export.portable.card import card
from twinlens_export.portable.names import ONNX_FOLDER, SUFFIXES, nameless
from twinlens_export.portable.place import CARD, require_free
from twinlens_export.portable.portable_config import portable_config
from twinlens_export.portable.portable_tower import PortableTower, TowerWriter
from twinlens_export.portable.tokenizer_files import OWN_TOKENIZER, TOKENIZER_CONFIG
from twinlens_export.progress import Work, told


def write_portable(
    bundle: Bundle,
    folder: Path,
    precisions: Sequence[Precision],
    *,
    force: bool = False,
    progress: bool = False,
) -> list[str]:
    """Write the portable folder of a bundle; it appears whole.

    Every tower is compared with the bundle's own first, on the drawings inside the package.

    Args:
        bundle: its files are compared with their hashes first.
        folder: new or empty.
        precisions: those whose towers are written.
        force: replace a folder that this function has written.
        progress: write lines on stderr, with the share of the work that is done and the time left.

    Returns:
        A line for each tower, then the folder.

    Raises:
        ExportError: the bundle lacks a precision or the files of its tokenizer, other tools have no
            name for one, or the folder is taken.
        AgreementError: a tower is not close enough to the bundle's own.
        BundleError: a file of the bundle is missing or was changed.
    """
    _require_complete(bundle, precisions)
    require_free(folder, force=force)
    work = Work(step="comparing the bundle with its hashes")
    with told(work, shown=progress):
        for precision in precisions:
            bundle.check(precision)
        with new_folder(folder) as draft:
            (draft / ONNX_FOLDER).mkdir()
            writer = TowerWriter.of(bundle, draft)
            work.planned(_plan(bundle, precisions))
            towers = []
            for precision in precisions:
                for modality in bundle.manifest.modalities:
                    with work.during(tower_step(modality, precision)):
                        towers.append(writer.write(modality, precision))
            _write_files(bundle, draft, towers)
    return [*(tower.line() for tower in towers), str(folder)]


def _plan(bundle: Bundle, precisions: Sequence[Precision]) -> dict[str, float]:
    """Return the cost of each tower by the name of its step: its bytes."""
    return {
        tower_step(modality, precision): tower.bytes
        for precision in precisions
        for modality, tower in bundle.manifest.towers[precision].there().items()
    }


def _require_complete(bundle: Bundle, precisions: Sequence[Precision]) -> None:
    others = [one for one in precisions if one not in SUFFIXES]
    if others or not precisions:
        raise nameless(others)
    lacking = [one for one in precisions if one not in bundle.manifest.towers]
    if lacking:
        raise ExportError(
            f"{quoted(str(bundle.folder))} has no towers in {', '.join(lacking)}, only in "
            f"{', '.join(bundle.manifest.towers)}; choose among these with --precision"
        )
    if bundle.manifest.text is not None and TOKENIZER_CONFIG not in bundle.manifest.files:
        raise ExportError(
            f"{quoted(str(bundle.folder))} has no {TOKENIZER_CONFIG}, without which no tool reads "
            "its tokenizer; export the checkpoint again, with --verbose to see why if it stays so"
        )


def _write_files(bundle: Bundle, draft: Path, towers: Sequence[PortableTower]) -> None:
    """Write the files beside the towers."""
    for name in bundle.manifest.files:
        if name != OWN_TOKENIZER:
            shutil.copyfile(bundle.path(name), draft / name)
    config = portable_config(bundle, [tower.file for tower in towers if tower.is_split])
    (draft / "config.json").write_text(config, encoding="utf-8")
    (draft / CARD).write_text(card(bundle, towers), encoding="utf-8")
