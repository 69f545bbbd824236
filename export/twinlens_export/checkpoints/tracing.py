"""The traced fallback: a tower of any kind as a body of standard operators, from its torch module.

A tower that is no transformer of `architecture.py` is run once on zeros by torch's exporter, which
writes down its operations. The weights stay where they are: the body reads the module's own arrays.
"""

import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import onnx
import torch

from twinlens.errors import quoted
from twinlens_export.architecture import PixelNormalization, TracedImageTower, TracedTextTower
from twinlens_export.checkpoints.body_reader import read_body
from twinlens_export.errors import CheckpointError
from twinlens_export.graph.body import Body
from twinlens_export.graph.graph import OPSET

BATCH: Final = 2
"""Items of the traced run; a size of one would be taken for a constant."""
INPUT: Final = "/given"
OUTPUT: Final = "/features"
"""Torch renames a parameter that has the name of an input or output; none begins with a slash."""

TAKEN: Final = (
    "with the towers of CLIP, SigLIP or Chinese-CLIP, or with any that torch.onnx.export writes"
)
"""The towers that are taken, for messages."""

Forward = Callable[[torch.Tensor], torch.Tensor]


def traced_image_tower(
    module: torch.nn.Module, *, side_px: int, normalization: PixelNormalization
) -> TracedImageTower:
    """Trace the image tower of a model.

    Args:
        module: in evaluation mode; its forward takes normalised floats [B, 3, S, S] and returns
            features [B, D], which need not be of unit length.
        side_px: height and width S of the input.
        normalization: of uint8 pixels to those floats.

    Raises:
        CheckpointError: torch's exporter cannot write its operations down.
    """
    pixels = torch.zeros(BATCH, 3, side_px, side_px)
    body, width = _traced(module, pixels, {0: "batch"}, "image")
    return TracedImageTower(
        side_px=side_px,
        normalization=normalization,
        body=body,
        output_width=width,
    )


def traced_text_tower(
    module: torch.nn.Module, *, context: int, vocabulary: int, trim: bool
) -> TracedTextTower:
    """Trace the text tower of a model.

    Args:
        module: in evaluation mode; its forward takes int64 ids [B, T], padded at the end, and
            returns features [B, D], which need not be of unit length. It hides its padding itself.
        context: the most tokens of a text.
        vocabulary: number of rows of its token embedding.
        trim: True if padding changes nothing, so that T may be less than the context.

    Raises:
        CheckpointError: torch's exporter cannot write its operations down.
    """
    ids = torch.ones(BATCH, context, dtype=torch.int64)
    dynamic = {0: "batch", 1: "tokens"} if trim else {0: "batch"}
    body, width = _traced(module, ids, dynamic, "text")
    return TracedTextTower(
        context=context,
        vocabulary=vocabulary,
        body=body,
        output_width=width,
        products=body.products / (1 if trim else context),
    )


def _traced(
    module: torch.nn.Module, given: torch.Tensor, dynamic: dict[int, str], modality: str
) -> tuple[Body, int]:
    """Return the body of a module, and the width of its features."""
    with torch.no_grad(), warnings.catch_warnings(action="ignore"), _plain_torch():
        try:
            features = module(given)
            model = _exported(module, given, dynamic)
        except Exception as error:  # torch has no type of its own
            reason = str(error).strip().splitlines() or [type(error).__name__]
            raise CheckpointError(
                f"the {modality} tower, a {type(module).__name__}, is no transformer that is known "
                f"here, and torch cannot trace it either ({quoted(reason[0])}); give a checkpoint "
                f"{TAKEN}"
            ) from error
    if features.ndim != 2:
        raise CheckpointError(
            f"the {modality} tower, a {type(module).__name__}, gives an array of shape "
            f"{list(features.shape)} for {BATCH} items, wanted one row each; "
            "give a checkpoint that pools its tokens"
        )
    arrays = {name: tensor.numpy(force=True) for name, tensor in module.state_dict().items()}
    arrays |= {name: buffer.numpy(force=True) for name, buffer in module.named_buffers()}
    body = read_body(model, arrays, given=INPUT, output=OUTPUT)
    return body, int(features.shape[1])


@contextmanager
def _plain_torch() -> Iterator[None]:
    """Let torch compute attention by operators that can be written down, and print no graph."""
    fast = torch.backends.mha.get_fastpath_enabled()
    logged = torch._C._jit_is_onnx_log_enabled()  # noqa: SLF001  there is no other switch
    torch.backends.mha.set_fastpath_enabled(False)
    torch._C._jit_set_onnx_log_enabled(False)  # noqa: SLF001
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        torch._C._jit_set_onnx_log_enabled(logged)  # noqa: SLF001


def _exported(
    module: torch.nn.Module, given: torch.Tensor, dynamic: dict[int, str]
) -> onnx.ModelProto:
    """Return the operations of a module; its weights are inputs, by their names.

    torch's older exporter, which traces a run: it needs no further package, takes models whose
    control flow the newer one refuses, and leaves the weights out.
    """
    file = io.BytesIO()
    torch.onnx.export(
        module,
        (given,),
        file,  # type: ignore[arg-type]  # the older exporter takes a stream too
        dynamo=False,
        export_params=False,
        do_constant_folding=False,
        opset_version=OPSET,
        input_names=[INPUT],
        output_names=[OUTPUT],
        dynamic_axes={INPUT: dynamic, OUTPUT: {0: "batch"}},
    )
    return onnx.load_from_string(file.getvalue())


def as_module(forward: Forward, owner: torch.nn.Module) -> torch.nn.Module:
    """Return a module whose forward is a function, over the weights of another module."""

    class Tower(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            # By the names of the owner: messages have no part of ours before them.
            for name, child in owner.named_children():
                self.add_module(name, child)
            for name, parameter in owner.named_parameters(recurse=False):
                self.register_parameter(name, parameter)
            for name, buffer in owner.named_buffers(recurse=False):
                self.register_buffer(name, buffer, persistent=False)

        def forward(self, given: torch.Tensor) -> torch.Tensor:
            return forward(given)

    Tower.__name__ = type(owner).__name__
    return Tower().eval()
