"""The card of a portable folder: its README.md, as the Hub shows it."""

from collections.abc import Sequence
from typing import Final

import onnx

from twinlens.bundle.bundle import Bundle
from twinlens_export.checkpoints.licence import LICENCE
from twinlens_export.portable.place import MARK
from twinlens_export.portable.portable_tower import PortableTower

_TEXT: Final = """\
{head}# {name}, in ONNX

{mark} --portable, from the checkpoint `{name}` (sha256 of its weights {sha256}).
Operators of ONNX alone; rows of unit length and width {width}.

| file | input | output | MB | worst cosine with the bundle's tower |
|---|---|---|---|---|
{rows}
{inputs}{scores}Large weights are external data, in `NAME.onnx_data`:
a browser gives them under that key.
"""
PIXELS: Final = (
    "Images: as preprocessor_config.json says, to `pixel_values` [B, 3, {0}, {0}] in float32.\n"
)
IDS: Final = (
    "Texts: as tokenizer.json and tokenizer_config.json say, to `input_ids` [B, T] in int64.\n"
)
SCORES: Final = (
    "Scores of classes, where the checkpoint was trained with a softmax: that of {:.6g} * cosine.\n"
)


def card(bundle: Bundle, towers: Sequence[PortableTower]) -> str:
    """Return the text of the card."""
    manifest = bundle.manifest
    rows = [
        f"| {tower.file.as_posix()} | {tower.input} | {tower.output} | {tower.bytes / 1e6:.1f} | "
        f"{tower.worst_cosine:.6f} |\n"
        for tower in towers
    ]
    licence = _licence(bundle)
    return _TEXT.format(
        head=f"---\nlicense: {licence}\n---\n" if licence else "",
        mark=MARK,
        name=manifest.source.name,
        sha256=manifest.source.sha256[:12],
        width=manifest.width,
        inputs=_inputs(bundle),
        scores="" if manifest.native_scale is None else SCORES.format(manifest.native_scale),
        rows="".join(rows),
    )


def _inputs(bundle: Bundle) -> str:
    """Return a line on the input of each tower."""
    image, text = bundle.manifest.image, bundle.manifest.text
    pixels = "" if image is None else PIXELS.format(image.side_px)
    return f"{pixels}{'' if text is None else IDS}"


def _licence(bundle: Bundle) -> str | None:
    """Return the licence that the bundle's towers bear."""
    towers = next(iter(bundle.manifest.towers.values()))
    own = next(iter(towers.there().values()))
    model = onnx.load(bundle.path(own.file), load_external_data=False)
    return {entry.key: entry.value for entry in model.metadata_props}.get(LICENCE)
