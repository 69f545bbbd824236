"""Triton model repository of a bundle: one model a tower, in a folder of its own.

    FOLDER/clip-b32_image_int8/config.pbtxt
    FOLDER/clip-b32_image_int8/1/model.onnx     and the files of its external data

Format: Triton's "Model Repository" and "Model Configuration", and the README of its ONNX Runtime
backend. The towers run there as they are: an int8 file carries its operators as functions of
ONNX's own.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from twinlens.bundle.bundle import Bundle
from twinlens.bundle.manifest import TowerFile
from twinlens.bundle.specs import MODALITIES, Modality, Precision, TargetDevice, TextSpec
from twinlens.errors import quoted
from twinlens_export.bundle_folder import new_folder
from twinlens_export.errors import ExportError
from twinlens_export.presence import there

CONFIG: Final = "config.pbtxt"
MARK: Final = "# Written by twinlens-export"
"""First words of a configuration: a folder that has them may be replaced."""

LARGEST_BATCHES: Final[dict[tuple[Modality, bool], int]] = {
    ("image", False): 8,
    ("text", False): 32,
    ("image", True): 64,
    ("text", True): 256,
}
"""Most items of one run, by modality and by whether it runs on a GPU. On a CPU a larger batch costs
no less an item and makes those behind it wait: 8 images of ViT-B/32 in int8 take about 200 ms on
one core (EPYC, AVX-512 VNNI)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TritonModel:
    """One tower as a model of a Triton repository."""

    bundle: Bundle
    precision: Precision
    modality: Modality

    @property
    def tower(self) -> TowerFile:
        """Files of the tower, and the names of its input and output."""
        return self.bundle.manifest.towers[self.precision].there()[self.modality]

    @property
    def device(self) -> TargetDevice:
        """Device for which the tower is meant."""
        return self.bundle.manifest.towers[self.precision].device

    def write(self, folder: Path) -> None:
        """Write the configuration and version 1 of the model."""
        version = folder / "1"
        version.mkdir()
        shutil.copyfile(self.bundle.path(self.tower.file), version / "model.onnx")
        # onnxruntime looks for external data beside the model, by the name of the file.
        for name in self.tower.beside:
            shutil.copyfile(self.bundle.path(name), version / Path(name).name)
        (folder / CONFIG).write_text(self.config(), encoding="utf-8")

    def config(self) -> str:
        """Return the text of config.pbtxt."""
        manifest, gpu = self.bundle.manifest, self.device == "cuda"
        if self.modality == "image":
            side = there(manifest.image).side_px
            dtype, dims = "TYPE_UINT8", f"{side}, {side}, 3"
            says = "RGB pixels [S, S, 3] as twinlens.Model.preprocess makes them of an image"
        else:
            text = there(manifest.text)
            dtype, dims = "TYPE_INT64", "-1" if text.trim else f"{text.context}"
            says = self._ids(text)
        return _CONFIG.format(
            mark=MARK,
            says=says,
            towers=manifest.towers[self.precision].calibrated_for(),
            batch=LARGEST_BATCHES[self.modality, gpu],
            kind="KIND_GPU" if gpu else "KIND_CPU",
            input=self.tower.input,
            dtype=dtype,
            dims=dims,
            output=self.tower.output,
            width=manifest.width,
        )

    def _ids(self, text: TextSpec) -> str:
        ids = f"ids as twinlens.Model.tokenize makes them of a text, padded with {text.pad_id} to "
        if not text.trim:
            return f"{ids}{text.context} tokens"
        return (
            f"{ids}one length of at most {text.context}.\n"
            "# Triton batches requests of one shape only, and padding changes no embedding: few "
            "lengths,\n# such as multiples of 16, make larger batches"
        )


_CONFIG: Final = """\
{mark}. Input: {says}.
# Output: unit rows. The towers' fingerprint is that of `about` in twinlens.
backend: "onnxruntime"
max_batch_size: {batch}
input [ {{ name: "{input}" data_type: {dtype} dims: [ {dims} ] }} ]
output [ {{ name: "{output}" data_type: TYPE_FP32 dims: [ {width} ] }} ]
# No delay: an instance that is free takes all that waits.
dynamic_batching {{ }}
instance_group [ {{ count: 1 kind: {kind} }} ]
parameters {{ key: "twinlens.towers" value: {{ string_value: "{towers}" }} }}
"""


def write_repository(
    bundle: Bundle, folder: Path, precisions: Sequence[Precision], *, force: bool = False
) -> list[str]:
    """Write a bundle's towers into a repository, beside other models; each appears whole.

    Args:
        bundle: its files are compared with their hashes first.
        folder: the repository; made if it is missing.
        precisions: two models are written for each.
        force: replace models that twinlens-export has written.

    Returns:
        The folders of the models.

    Raises:
        ExportError: the bundle lacks a precision, a model's folder is taken, or an earlier version
            has written the bundle.
        BundleError: a file of the bundle is missing or was changed.
    """
    lacking = [one for one in precisions if one not in bundle.manifest.towers]
    if lacking:
        raise ExportError(
            f"{quoted(str(bundle.folder))} has no towers in {', '.join(lacking)}, only in "
            f"{', '.join(bundle.manifest.towers)}; choose among these with --precision"
        )
    require_free(folder, bundle.folder, precisions, force=force)
    places: list[str] = []
    models = [
        TritonModel(bundle=bundle, precision=precision, modality=modality)
        for precision in precisions
        for modality in bundle.manifest.modalities
    ]
    for model in models:
        bundle.check_tower(model.tower)
        _require_known_operators(bundle.path(model.tower.file))
    for model in models:
        place = folder / model_name(bundle.folder, model.precision, model.modality)
        with new_folder(place) as draft:
            model.write(draft)
        places.append(str(place))
    return places


def model_name(bundle: Path, precision: Precision, modality: Modality) -> str:
    """Return the name of a model of a bundle's folder, which is that of its own folder."""
    return f"{bundle.resolve().name}_{modality}_{precision}"


def require_free(
    folder: Path, bundle: Path, precisions: Sequence[Precision], *, force: bool
) -> None:
    """Refuse a repository in which the folder of a model is taken.

    Args:
        folder: the repository.
        bundle: folder of the bundle, there or not yet.
        precisions: as they will be written.
        force: allow models there that twinlens-export has written; they will be replaced.

    Raises:
        ExportError: there is something that may not be replaced.
    """
    places = [
        folder / model_name(bundle, precision, modality)
        for precision in precisions
        for modality in MODALITIES
    ]
    for place in filter(Path.exists, places):
        config = place / CONFIG
        ours = config.is_file() and config.read_text("utf-8", errors="replace").startswith(MARK)
        if not ours:
            raise ExportError(
                f"{quoted(str(place))} exists and was not written by twinlens-export, so it is "
                "left alone; give another place"
            )
        if not force:
            raise ExportError(f"{quoted(str(place))} exists already; replace it with --force")


def _require_known_operators(path: Path) -> None:
    import onnx  # noqa: PLC0415  --help needs no onnx

    from twinlens_export.graph.read_graph import require_known_operators  # noqa: PLC0415  nor this

    require_known_operators(onnx.load(path, load_external_data=False), path)
