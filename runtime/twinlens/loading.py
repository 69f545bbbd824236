"""Opening of a bundle: the choice of device, precision and threads."""

import logging
import os
from collections.abc import Collection, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Final

from twinlens.bundle.bundle import Bundle, open_bundle
from twinlens.bundle.calibration import CalibrationLevel
from twinlens.bundle.pixel_mode import pixel_mode
from twinlens.bundle.specs import PRECISIONS, Precision
from twinlens.errors import BundleError, CalibrationError
from twinlens.images.pixel_options import PixelOptions
from twinlens.model.model import Model
from twinlens.model.model_options import ModelOptions
from twinlens.ort import native_operators
from twinlens.ort.cuda.options import DEFAULT, CudaOptions
from twinlens.ort.device import CPU, Device
from twinlens.ort.device_choice import resolve
from twinlens.threads import read_threads

logger = logging.getLogger(__name__)

DEMO: Final = "demo"

PREFERENCE: Final[Mapping[str, tuple[Precision, ...]]] = {
    "cpu": ("int8", "fp32", "bf16", "fp16"),
    "cuda": ("fp16", "fp32"),
}
"""Precisions that "auto" takes, the first that is there. int8 on CUDA would copy to the host; fp16
on a CPU is no faster."""
WITH_BF16: Final[tuple[Precision, ...]] = ("int8", "bf16", "fp32", "fp16")
"""The same on a CPU with products of bfloat16, which take half the time of float32."""


def load(  # noqa: PLR0913  one choice each, none by place
    bundle: str | os.PathLike[str],
    *,
    device: str = "auto",
    precision: str = "auto",
    threads: int | None = None,
    pixels: str | PixelOptions = "exact",
    cuda: CudaOptions = DEFAULT,
    low_memory: bool = False,
    spinning: bool = False,
    reproducible: bool = False,
    level: CalibrationLevel | None = None,
) -> Model:
    """Open a bundle: the folder that twinlens-export wrote, or "demo", inside the package.

    Args:
        bundle: the folder, or "demo": a small model trained on emoji.
        device: "auto", "cpu", "cuda" or "cuda:1". The device asked for is the device got.
        precision: "auto", "fp32", "fp16", "bf16" or "int8". "auto" is int8 on a CPU and fp16 on
            CUDA where the bundle has them. Without int8 it is bf16 on a CPU that multiplies
            bfloat16 (AVX512-BF16), and else fp32. Rows are the same to the bit by all native
            operators, but those of int8 by AMX; these, and rows by onnxruntime's own operators,
            differ a little, with cosines of 0.9997 and more. `Model.about` names the operators.
        threads: CPU threads for decoding and computing; all that the process may use by default,
            at most four for each of these (16 are always allowed). With one, every call computes on
            the calling thread, and a tower has one session for all callers: a service loads a model
            so once and calls it from as many threads as it has cores. Each caller at work adds the
            memory of its batch, 10 MB for 8 images in int8 ViT-B/32 and 34 in fp32, which the
            session keeps for the next call; a model of its own would add 37 and 510. With more
            threads a tower opens a second session, of one thread, when many items come at once: it
            has the mapped weights of the first, and adds 3 MB to int8 ViT-B/32.
        pixels: "exact" follows the checkpoint's own preprocessing; "fast" decodes large JPEGs
            smaller, and moves their embeddings a little: a calibration or an index of one is not
            for the other. `PixelOptions` also says what is done with the oddities of image files.
        cuda: how the towers run on a CUDA device: memory, batch sizes, recorded runs, TensorRT.
        low_memory: on a CPU, leave the weights in their mapped files, which processes share and the
            system may take back, and keep nothing between two calls. int8, bf16 and fp32 leave them
            there anyway where the native operators serve (fp32 in bundles with a graph for them);
            between two calls int8 ViT-B/32 then holds 60 MB of its own instead of 80 with one
            thread, 66 instead of 105 with two, for 4 to 8 % more CPU: a run has at most 4 images or
            16 texts, and glibc gives back the memory that it had. fp32 without them holds 63 MB
            instead of 570, and takes 1.7 times as long and more. Without them a row of a batch of
            one then differs by up to 1e-6 from the same row in a larger batch; in fp16, which is
            meant for CUDA, rows differ by up to 1e-4 anyway.
        spinning: let the threads of a session on the CPU watch for work instead of sleeping. With
            one thread it changes nothing. With two, one text every 20 ms (int8 ViT-B/32) costs 13.4
            ms of CPU with it and 4.3 without; a service of 157 texts/s has a p99 of 152 ms with it
            and 18 without, on 1.48 and 0.83 cores (AVX-512 VNNI, 2 cores). It helps only where the
            cores are idle otherwise: the best run of one text was 3.3 ms with it, 3.4 without.
        reproducible: on a CPU, compute int8, bf16 or fp32 by the native operators whose rows are
            the same to the bit on every processor that has some, x86 or ARM, or refuse. In int8
            only AMX has rows of its own: there the attention is then the common one, and elsewhere
            nothing changes.
        level: the level of its probabilities, for all calls. By default the bundle's own,
            calibrated one; "assumed" takes the curve that is not fitted, where nobody has
            calibrated the bundle.

    Raises:
        BundleError: the folder is not a whole, unchanged bundle, or lacks that precision.
        CalibrationError: the bundle has no calibration of that level.
        ProviderError: the device cannot be used, or has no reproducible rows of that precision.
        TypeError: the bundle is no path.
        ValueError: device, precision, threads or pixels mean nothing.
    """
    read_threads(threads)  # refused before anything is opened
    seen = pixels if isinstance(pixels, PixelOptions) else PixelOptions(mode=pixel_mode(pixels))
    opened = open_bundle(folder_of(bundle))
    place = _served(opened, resolve(device), device, precision)
    options = ModelOptions(
        device=place,
        precision=_choose(opened, place, precision),
        threads=threads,
        pixels=seen,
        cuda=cuda,
        low_memory=low_memory,
        spinning=spinning,
        reproducible=reproducible,
        level=level,
    )
    model = Model(opened, options)
    if level is not None:
        try:
            model.calibration_for(level=level)  # refused where it is not there
        except (CalibrationError, ValueError):
            model.close()
            raise
    return model


def folder_of(bundle: str | os.PathLike[str]) -> Path:
    """The folder that a bundle's name means: "demo" is inside the package."""
    if not isinstance(bundle, str | os.PathLike):
        raise TypeError(f"the bundle is a {type(bundle).__name__}, wanted the path of a folder")
    if os.fspath(bundle) == DEMO:
        return Path(str(files("twinlens"))) / "demo" / "bundle"
    return Path(bundle)


def _served(bundle: Bundle, device: Device, asked: str, precision: str) -> Device:
    """Return the device; the CPU if nobody asked for CUDA and the bundle has no towers for it."""
    there = bundle.manifest.towers
    if asked != "auto" or precision != "auto" or set(PREFERENCE[device.kind]) & set(there):
        return device
    logger.warning(
        "device 'auto' is the CPU: %s has %s, and CUDA wants %s; export it with --precision %s",
        bundle.folder,
        ", ".join(there),
        " or ".join(PREFERENCE[device.kind]),
        PREFERENCE[device.kind][0],
    )
    return CPU


def _preference(device: Device, there: Collection[Precision]) -> tuple[Precision, ...]:
    # Asked only where it matters, as the answer loads the library of the operators.
    if device.kind == "cpu" and "bf16" in there and native_operators.multiplies_bf16():
        return WITH_BF16
    return PREFERENCE[device.kind]


def _choose(bundle: Bundle, device: Device, precision: str) -> Precision:
    there = bundle.manifest.towers
    if precision == "auto":
        for preferred in _preference(device, there):
            if preferred in there:
                return preferred
        raise BundleError(
            f"{bundle.folder} has {', '.join(there)}, nothing for {device}; "
            f"export it with --precision {PREFERENCE[device.kind][0]}"
        )
    for known in PRECISIONS:
        if precision == known and known in there:
            return known
    if precision not in PRECISIONS:
        raise ValueError(f"precision is {precision!r}, not 'auto', {', '.join(PRECISIONS)}")
    raise BundleError(
        f"{bundle.folder} has {', '.join(there)}, not {precision}; "
        f"export it with --precision {precision}"
    )
