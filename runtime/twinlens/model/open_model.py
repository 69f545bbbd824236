"""Life of a model: opened, warmed up, pickled, closed; and its properties."""

from dataclasses import replace
from types import TracebackType
from typing import Literal, Self

from twinlens.bundle.bundle import Bundle
from twinlens.bundle.calibration import Calibration, CalibrationLevel, PairKind
from twinlens.bundle.pixel_mode import PixelMode
from twinlens.bundle.specs import Modality, Precision
from twinlens.errors import ClosedError
from twinlens.images.pixel_options import with_passes
from twinlens.model.encoders import Encoders
from twinlens.model.matcher import Matcher
from twinlens.model.model_options import ModelOptions
from twinlens.model.pickled_model import PickledModel
from twinlens.model.towers import TowerOpener
from twinlens.ort.memory.freed_memory import give_back
from twinlens.provenance import about_of
from twinlens.texts.tokens import tokenizer_key
from twinlens.threads import read_threads


class _OpenModel:
    """Model from its opening to its end, whatever it computes."""

    def __init__(self, bundle: Bundle, options: ModelOptions) -> None:
        """Open its towers; `twinlens.load` makes the choices.

        Raises:
            BundleError: the folder is not a whole, unchanged bundle.
            ProviderError: the device cannot be used.
            ValueError: the threads are too many.
        """
        # A later session, and a pickle, must not depend on the working directory.
        bundle = replace(bundle, folder=bundle.folder.absolute())
        self._bundle, self._manifest, self._options = bundle, bundle.manifest, options
        threads = read_threads(options.threads)
        bundle.check_files()
        opener = TowerOpener(bundle=bundle, options=options, threads=threads)
        self._operators = opener.operators()
        self._open_encoders: Encoders | None = Encoders(bundle, opener, pixels=options.pixels)
        self._matcher = Matcher(
            bundle.calibrations(options.precision),
            manifest=bundle.manifest,
            options=options,
            threads=threads,
        )

    def __repr__(self) -> str:
        source = self._manifest.source.name
        how = f"{self.precision} on {self.device}, {self._options.pixels} pixels"
        closed = ", closed" if self.closed else ""
        return f"Model({source}, {how}, width {self.width}{closed})"

    @property
    def device(self) -> str:
        """Device of the towers: "cpu" or "cuda:0"."""
        return str(self._options.device)

    @property
    def precision(self) -> Precision:
        """The precision of the towers."""
        return self._options.precision

    @property
    def pixels(self) -> PixelMode:
        """Pixel mode of its images: "exact" or "fast"."""
        return self._options.pixels.mode

    @property
    def about(self) -> dict[str, str]:
        """Maker of its embeddings, to be stored beside them: `check_about` compares it."""
        pixels = self._options.pixels
        image = self._manifest.image
        about = about_of(
            self._manifest.source,
            self.precision,
            pixels,
            passes=None if image is None else with_passes(image, pixels).passes,
            operators=self._operators,
        )
        return {**about, "reproducible": "yes"} if self._options.reproducible else about

    @property
    def width(self) -> int:
        """D, the width of an embedding."""
        return self._manifest.width

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """Modalities that it embeds: ("image", "text"), or one of them."""
        return self._manifest.modalities

    def require(self, *modalities: Modality) -> None:
        """Check that it embeds these modalities, before anything is computed.

        Raises:
            MissingTowerError: its bundle has one tower, and lacks another of these.
        """
        self._manifest.require(*modalities)

    @property
    def level(self) -> CalibrationLevel | Literal["none"]:
        """Trust in its probabilities: native, fitted with or without labels, assumed, or none."""
        return self._matcher.level

    @property
    def towers_key(self) -> str:
        """Key that a calibration of these towers bears."""
        return self._manifest.towers[self.precision].calibrated_for()

    @property
    def tokenizer_key(self) -> str:
        """Key of its tokenizer, which `Tokens` bear: other models with this key take them too.

        Raises:
            MissingTowerError: there is no text tower.
        """
        spec = self._manifest.text
        if spec is None:
            raise self._manifest.missing("text")
        return tokenizer_key(spec, sha256=self._manifest.files[spec.tokenizer])

    @property
    def calibration(self) -> Calibration:
        """Curve from a cosine of these towers to a probability, with its figures.

        Raises:
            CalibrationError: the bundle has none for this precision and these pixels.
            MissingTowerError: it has one tower alone.
        """
        return self._matcher.calibration()

    def calibration_for(
        self, *, level: CalibrationLevel | None = None, pairs: PairKind = "image-text"
    ) -> Calibration:
        """Return the curve from a cosine of such pairs to a probability, with its figures.

        Args:
            level: level wanted, as of `match`.
            pairs: kind of the pairs: "image-text", "image-image" or "text-text".

        Raises:
            CalibrationError: the bundle has none of that level, or none for such pairs.
            ValueError: there is no such level, or no such kind of pairs.
        """
        self._require_open()
        return self._matcher.calibration(level=level, pairs=pairs)

    @property
    def _encoders(self) -> Encoders:
        """The towers.

        Raises:
            ClosedError: the model was closed.
        """
        encoders = self._open_encoders
        if encoders is None:
            raise ClosedError(f"{self!r} was closed; load the model again")
        return encoders

    def _require_open(self) -> None:
        _ = self._encoders

    def warm_up(self) -> None:
        """Run everything once that a first call would have to open, so that no request does.

        That is 38 ms for int8 ViT-B/32 with `threads=1`: both towers, one small JPEG and, if there
        is a calibration, the matrix of probabilities. With more threads each tower also opens the
        single-threaded session that many images or texts at once use.
        """
        self._encoders.warm_up()
        self._matcher.warm_up()

    @property
    def closed(self) -> bool:
        """True from `close` on."""
        return self._open_encoders is None

    def close(self) -> None:
        """Give the memory of the towers back; every later call raises ClosedError.

        Runs of other threads end as usual, and give their memory back when they end; a stream of
        images ends with ClosedError at its next batch. A second time changes nothing. Signal
        handlers may call it. The properties stay.
        """
        encoders, self._open_encoders = self._open_encoders, None
        self._matcher.close()
        if encoders is not None:
            encoders.close()
            del encoders
            give_back()

    def __enter__(self) -> Self:
        self._require_open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle the place of the bundle and the options: another process opens it anew.

        Raises:
            ClosedError: it was closed.
        """
        self._require_open()
        return _reopened, (type(self), PickledModel.of(self._bundle, self._options))

    def __copy__(self) -> Self:
        """Return the model itself, which nobody can change: a copy would open its towers twice."""
        return self

    def __deepcopy__(self, memo: object) -> Self:
        """Return the model itself, as `copy.copy` does."""
        return self


def _reopened(kind: type[_OpenModel], pickled: PickledModel) -> _OpenModel:
    return kind(pickled.reopen(), pickled.options)
