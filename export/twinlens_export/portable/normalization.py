"""The normalisation that the image processors of a bundle's files compute."""

import json

from twinlens.bundle.bundle import Bundle
from twinlens.errors import quoted
from twinlens_export.architecture import PixelNormalization
from twinlens_export.checkpoints.hub_files import OPEN_CLIP_CONFIG, PREPROCESSOR
from twinlens_export.checkpoints.image_processor import read_processor
from twinlens_export.checkpoints.open_clip.preprocessing import read_preprocess_cfg
from twinlens_export.errors import ExportError
from twinlens_export.presence import there


def normalization_of(bundle: Bundle) -> PixelNormalization:
    """Return the normalisation of preprocessor_config.json, or of OpenCLIP's own configuration.

    Raises:
        ExportError: the bundle has neither.
    """
    files, side_px = bundle.manifest.files, there(bundle.manifest.image).side_px
    if PREPROCESSOR in files:
        fields = json.loads(bundle.path(PREPROCESSOR).read_text(encoding="utf-8"))
        return read_processor(fields, side_px=side_px).normalization
    if OPEN_CLIP_CONFIG in files:
        fields = json.loads(bundle.path(OPEN_CLIP_CONFIG).read_text(encoding="utf-8"))
        return read_preprocess_cfg(fields["preprocess_cfg"], side_px=side_px).normalization
    raise ExportError(
        f"{quoted(str(bundle.folder))} has no {PREPROCESSOR}, so the normalisation of its pixels "
        "is not known; export it again"
    )
