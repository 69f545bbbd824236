"""The tools, each with its block of the page, its environment and the least cosines of its rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np

from bench.harness.paths import RESULTS
from bench.portability.blocks import Rows, block, run_node, run_python
from bench.portability.environments import Environments
from twinlens.bundle.specs import Modality, Precision

OUT: Final = RESULTS / "portability.json"
SAME_INPUT: Final = 0.9998
"""Least cosine of rows of the same ids or pixels, int8 by other operators being the farthest."""
CODES_APART: Final = 0.9995
"""Least cosine of an image in int8: where two arithmetics round a token to other codes, a row of
the demo model moves by up to 0.0003. Each float32 arithmetic is some 1e-5 of a code away from the
exact one, and a picture has 440,000 codes: a few of them fall on the other side of a half, and
every later layer differs. The native operators, onnxruntime and onnx.reference are equally far from
rows of exact arithmetic: 0.99979, 0.99982, 0.99982, with 15, 14 and 16 rows of 42 the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """One tool."""

    name: str
    """As the page and its table have it."""
    environment: Literal["node", "python", "optimum"]
    packages: Sequence[str]
    """Those whose versions count."""
    image_bound: float = SAME_INPUT
    """Least cosine of an image; lower where the tool resizes pictures in its own way."""
    imported: str = ""
    """Package that the block is changed to import."""

    def least_of_images(self, precision: Precision) -> float:
        """Return the least cosine of an image in a precision."""
        return min(self.image_bound, CODES_APART) if precision == "int8" else self.image_bound

    @property
    def block(self) -> str:
        """Name of the block on the page."""
        return "onnxruntime-web" if self.imported else self.name

    def code(self, precision: Precision) -> str:
        """Return the block for a precision."""
        code = block(self.block, precision)
        return code.replace('"onnxruntime-web"', f'"{self.imported}"') if self.imported else code


TOOLS: Final = (
    Tool(
        name="transformers",
        environment="python",
        packages=("transformers", "onnxruntime"),
        image_bound=0.999,
    ),
    Tool(
        name="transformers.js",
        environment="node",
        packages=("@huggingface/transformers",),
        image_bound=0.99,
    ),
    Tool(name="onnxruntime-web", environment="node", packages=("onnxruntime-web",)),
    Tool(
        name="onnxruntime-node",
        environment="node",
        packages=("onnxruntime-node",),
        imported="onnxruntime-node",
    ),
    Tool(
        name="fastembed",
        environment="python",
        packages=("fastembed", "onnxruntime"),
        image_bound=0.999,
    ),
    Tool(
        name="optimum",
        environment="optimum",
        packages=("optimum-onnx", "transformers"),
        image_bound=0.999,
    ),
    Tool(name="openvino", environment="python", packages=("openvino",)),
    Tool(name="onnx.reference", environment="python", packages=("onnx",)),
    Tool(name="ort format", environment="python", packages=("onnxruntime",)),
)


TRACED: Final = tuple(tool for tool in TOOLS if tool.name in ("onnxruntime-node", "openvino"))
"""Tools in which a traced tower runs too: two programs that read external data by themselves. The
tower has 113 MB in fp32, so its weights are a second file."""


def run_tool(
    tool: Tool, precision: Precision, environments: Environments, folder: Path
) -> dict[Modality, Rows]:
    """Run a tool's block in a folder with the portable folder and its inputs.

    Raises:
        LookupError: its environment is not installed.
        RuntimeError: the block failed.
    """
    program = environments.program(tool.environment)
    if program is None:
        raise LookupError(f"{tool.environment} is not installed in {environments.folder}")
    code = tool.code(precision)
    if tool.environment == "node":
        return run_node(program, environments.folder / "node", code, folder)
    return run_python(program, code, folder)


def worst_cosines(
    rows: Mapping[Modality, Rows], wanted: Mapping[Modality, Rows]
) -> dict[Modality, float]:
    """Return the smallest cosine of rows with the wanted ones, by modality."""
    return {
        modality: float(np.einsum("nd,nd->n", rows[modality], wanted[modality]).min())
        for modality in wanted
    }
