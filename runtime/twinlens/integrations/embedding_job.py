"""Job of an engine: the column to embed, and the model that does it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache

from twinlens.bundle.bundle import open_bundle
from twinlens.bundle.pixel_mode import PixelMode
from twinlens.bundle.specs import Modality
from twinlens.errors import quoted
from twinlens.images.pixel_options import PixelOptions
from twinlens.loading import folder_of, load
from twinlens.model.model import Model


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingJob:
    """Column to embed, and the model: a few words that any process can be sent.

    Exactly one of `image` and `text` is given.

    >>> EmbeddingJob("demo", image="bytes", name="path").modality
    'image'
    """

    bundle: str = field(kw_only=False)
    """As for `load`: a folder that each machine has, or "demo"."""
    image: str | None = None
    """Column of images: encoded bytes, paths, structs {bytes, path}, or uint8 pixels [H, W, 3]."""
    text: str | None = None
    """Column of texts. One longer than the context is cut."""
    name: str | None = None
    """Column of names; by default a path, or a text, is its own. Bytes and pixels have none."""
    root: str = "."
    """Folder that relative paths of images start from."""
    device: str = "cpu"
    """As for `load`. An engine that gives a process one GPU, or a share of it, shows it no other:
    "cuda"."""
    precision: str = "auto"
    """As for `load`."""
    pixels: PixelMode | PixelOptions = "exact"
    """As for `load`."""
    threads: int = 1
    """Of a process. Many processes of one thread each use the cores better than one of many."""

    def __post_init__(self) -> None:
        if (self.image is None) == (self.text is None):
            raise ValueError(
                f"image is {self.image!r} and text is {self.text!r}; give the column of one of them"
            )

    @property
    def modality(self) -> Modality:
        """Kind of the items."""
        return "text" if self.image is None else "image"

    @property
    def column(self) -> str:
        """Column of the items."""
        return str(self.text if self.image is None else self.image)

    @property
    def columns(self) -> list[str]:
        """Columns that the job reads: all others need not be sent to it."""
        return [self.column] if self.name is None else [self.column, self.name]

    @property
    def width(self) -> int:
        """D, read from the bundle without opening its towers.

        Raises:
            BundleError: the folder is no whole bundle.
        """
        return open_bundle(folder_of(self.bundle)).manifest.width

    def require_columns(self, known: Iterable[str]) -> None:
        """Refuse a table that has not one each of the columns of the job.

        Raises:
            ValueError: names the first column that is missing, or there twice.
        """
        there = list(known)
        for name in self.columns:
            if there.count(name) != 1:
                found = "more than one" if name in there else "no"
                raise ValueError(
                    f"there is {found} column {name!r}; the columns are "
                    f"{quoted(', '.join(map(str, there)))}"
                )


@cache
def model_of(job: EmbeddingJob) -> Model:
    """Return the model of a job, opened once in a process.

    Raises:
        BundleError: as `load`.
        ProviderError: as `load`.
        ValueError: as `load`.
    """
    return load(
        job.bundle,
        device=job.device,
        precision=job.precision,
        threads=job.threads,
        pixels=job.pixels,
    )
