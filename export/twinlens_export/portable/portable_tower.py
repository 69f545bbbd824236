"""One tower of a portable folder, made of a bundle's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import onnx

from twinlens.bundle.bundle import Bundle
from twinlens.bundle.manifest import TowerFile
from twinlens.bundle.specs import Modality, Precision
from twinlens_export.architecture import PixelNormalization
from twinlens_export.graph.graph import Graph, save
from twinlens_export.graph.names import SIGLIP_OUTPUT
from twinlens_export.graph.read_graph import read_graph
from twinlens_export.portable.agreement import (
    OpenTower,
    Pair,
    id_batches,
    pixel_batches,
    require,
    worst_cosine,
)
from twinlens_export.portable.fold import fold_constants
from twinlens_export.portable.interface import float_pixels, whole_ids, with_output
from twinlens_export.portable.names import ONNX_FOLDER, STEMS, SUFFIXES
from twinlens_export.portable.normalization import normalization_of
from twinlens_export.portable.portable_config import is_siglip
from twinlens_export.portable.standard import to_standard
from twinlens_export.presence import there

DOC: Final = (
    " Operators of ONNX alone. Its input is that of preprocessor_config.json and tokenizer.json "
    "beside it: float pixels [batch, 3, height, width], or ids of any length."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PortableTower:
    """A tower that was written, and compared with the bundle's own."""

    file: Path
    """Within the folder."""
    precision: Precision
    modality: Modality
    bytes: int
    is_split: bool
    """True if its weights are external data, a second file."""
    input: str
    output: str
    worst_cosine: float
    """Smallest cosine of its rows with those of the bundle's own tower."""

    def line(self) -> str:
        """Return the line that a command prints."""
        size = f"{self.bytes / 1e6:.1f} MB"
        return f"{self.file.as_posix()}  {size}  worst cosine {self.worst_cosine:.6f}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TowerWriter:
    """Writer of a bundle's towers into a portable folder."""

    bundle: Bundle
    folder: Path
    normalization: PixelNormalization | None
    """None if there is no image tower."""
    batches: Mapping[Modality, Sequence[Pair]]
    """Inputs on which the towers are compared."""

    @classmethod
    def of(cls, bundle: Bundle, folder: Path) -> "TowerWriter":
        """Prepare for a bundle; the folder has one for ONNX files.

        Raises:
            ExportError: the normalisation of its pixels is not known.
        """
        normalization = None
        batches: dict[Modality, Sequence[Pair]] = {}
        if bundle.manifest.image is not None:
            normalization = normalization_of(bundle)
            batches["image"] = pixel_batches(bundle, normalization)
        if bundle.manifest.text is not None:
            batches["text"] = id_batches(bundle)
        return cls(bundle=bundle, folder=folder, normalization=normalization, batches=batches)

    def write(self, modality: Modality, precision: Precision) -> PortableTower:
        """Write one tower.

        Raises:
            AgreementError: it is not close enough to the bundle's own.
        """
        pair = self.bundle.manifest.towers[precision]
        own = pair.there()[modality]
        graph = self._graph(own, modality)
        file = Path(ONNX_FOLDER) / f"{STEMS[modality]}{SUFFIXES[precision]}.onnx"
        path = self.folder / file
        names = graph.input.name, graph.output.name
        written = save(graph, path)
        del graph
        onnx.checker.check_model(path, full_check=True)
        cosine = worst_cosine(
            OpenTower(file=self.bundle.path(own.file), input=own.input, output=own.output),
            OpenTower(file=path, input=names[0], output=names[1]),
            self.batches[modality],
        )
        require(cosine, precision, file)
        return PortableTower(
            file=file,
            precision=precision,
            modality=modality,
            bytes=sum(each.stat().st_size for each in written),
            is_split=len(written) > 1,
            input=names[0],
            output=names[1],
            worst_cosine=cosine,
        )

    def _graph(self, own: TowerFile, modality: Modality) -> Graph:
        graph = read_graph(self.bundle.path(own.file))
        graph = replace(graph, doc=f"{graph.doc}{DOC}")
        graph = fold_constants(to_standard(fold_constants(graph)))
        if modality == "image":
            graph = float_pixels(graph, there(self.normalization))
        else:
            graph = whole_ids(graph, there(self.bundle.manifest.text))
        return with_output(graph, SIGLIP_OUTPUT) if is_siglip(self.bundle) else graph
