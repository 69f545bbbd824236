"""The failures of a written tower in onnxruntime, told as what they are."""

from collections.abc import Iterator
from contextlib import contextmanager

from twinlens.bundle.specs import Modality, Precision
from twinlens.errors import BundleError, TwinlensError, quoted
from twinlens_export.errors import AgreementError


@contextmanager
def told_failures(modality: Modality, precision: Precision) -> Iterator[None]:
    """Tell that a tower cannot be opened, or fails on samples.

    A model may fix a size in its code, such as that of a batch: traced, it takes no other.

    Raises:
        AgreementError: it cannot be opened, or fails.
    """
    try:
        yield
    except Exception as error:  # onnxruntime has no type of its own
        if isinstance(error, TwinlensError) and not isinstance(error, BundleError):
            raise
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise AgreementError(
            f"the {modality} tower in {precision} is not written: onnxruntime cannot run it on the "
            f"samples ({quoted(reason)}); leave {precision} out of --precision, or, if all of them "
            "fail, give a checkpoint whose model takes a batch of any size"
        ) from error
