"""Towers of a bundle, opened on a device."""

from twinlens.bundle.bundle import Bundle
from twinlens.bundle.manifest import TowerFile
from twinlens.embedding.device_tower import DeviceTower
from twinlens.embedding.tower import Tower
from twinlens.ort.cuda.options import CudaOptions
from twinlens.ort.device import Device
from twinlens.ort.session import Session


def open_tower(  # noqa: PLR0913  one choice each, none by place
    bundle: Bundle,
    file: TowerFile,
    *,
    device: Device,
    threads: int,
    cuda: CudaOptions,
    low_memory: bool,
) -> Tower | DeviceTower:
    """Open one tower; each of its sessions checks the bytes of the file before it reads them.

    Raises:
        BundleError: a file is missing or was changed.
        ProviderError: the device cannot be used.
    """
    path = bundle.path(file.file)

    def open_on(threads: int) -> Session:
        bundle.check_tower(file)
        return Session(
            path,
            device=device,
            threads=threads,
            name=str(path),
            cuda=cuda,
            low_memory=low_memory,
        )

    if device.kind == "cuda":
        return DeviceTower(file, open_on, cuda=cuda)
    return Tower(file, open_on, threads=threads, low_memory=low_memory)
