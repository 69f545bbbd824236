"""Native operators of int8, bf16 and float32 towers, in the sessions of onnxruntime."""

import logging
from functools import cache
from typing import Any

from twinlens.errors import ProviderError
from twinlens.ort.device_errors import in_one_line
from twinlens.ort.library import onnxruntime
from twinlens_kernels import operators

logger = logging.getLogger(__name__)


def serving() -> str | None:
    """Return the instruction set of the native operators; None if onnxruntime's own serve.

    Raises:
        ProviderError: the environment variable TWINLENS_OPERATORS asks for what there is not.
    """
    try:
        path = operators.path()
    except ValueError as error:
        raise ProviderError(str(error)) from error
    if operators.is_off():
        return None
    if failure() is None:
        return path
    _warn()
    return None


def serving_bf16() -> str | None:
    """Return the instruction set of the native operators of bf16; None as for `serving`.

    Raises:
        ProviderError: as for `serving`.
    """
    return None if serving() is None else operators.bf16_path()


def multiplies_bf16() -> bool:
    """Return True if native operators here have products of bfloat16: faster than float32.

    Raises:
        ProviderError: as for `serving`.
    """
    return serving_bf16() in operators.BF16_PATHS


def reproducible() -> str:
    """Return the instruction set of the native operators whose bits every processor gives.

    Raises:
        ProviderError: there are none here; the message has the reason.
    """
    try:
        path = operators.reproducible_path()
    except ValueError as error:
        raise ProviderError(f"reproducible=True cannot be had: {error}") from error
    if (refused := failure()) is not None:
        raise ProviderError(f"reproducible=True cannot be had: {refused}")
    return path


def failure() -> str | None:
    """Return the reason if the native operators are installed, but cannot be loaded; else None."""
    return operators.failure() or _refused()


def register(options: Any, threads: int, *, same_bits: bool = False) -> None:  # noqa: ANN401  onnxruntime's SessionOptions
    """Let a session use the native operators, where they serve.

    Args:
        options: of the session.
        threads: of the session, which onnxruntime does not pass to custom operators.
        same_bits: True for those operators whose bits every processor gives.
    """
    if serving() is None:
        return
    options.add_session_config_entry("twinlens.threads", str(threads))
    options.add_session_config_entry("twinlens.reproducible", str(int(same_bits)))
    options.register_custom_ops_library(str(operators.library()))


@cache
def _refused() -> str | None:
    """Return the reason if onnxruntime itself refuses a library that can be loaded; else None."""
    if operators.failure() is not None or operators.library() is None:
        return None
    try:
        options = onnxruntime().SessionOptions()
        options.register_custom_ops_library(str(operators.library()))
    except ProviderError:  # there is no onnxruntime, which is told where one is needed
        return None
    except Exception as error:  # noqa: BLE001  onnxruntime's own classes are private
        return f"onnxruntime refuses them: {in_one_line(error)}"
    return None


@cache
def _warn() -> None:
    logger.warning(
        "int8 and bf16 towers run on onnxruntime's own operators, slower and with slightly other "
        "rows, for the native ones cannot be loaded: %s",
        failure(),
    )
