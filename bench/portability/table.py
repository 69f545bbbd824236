"""The tables of docs/pages/models/portability.md, from the figures."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from bench.portability.tools import TOOLS, TRACED, Tool
from twinlens.bundle.specs import Modality
from twinlens_export.portable.names import SUFFIXES

PLACE: Final = r"(<!-- table: {} -->\n).*?(<!-- end -->)"
HEAD: Final = f"| tool | texts: fp32 | fp16 | int8 | images: fp32 | fp16 | int8 |\n|{'---|' * 7}\n"
HEAD_OF_TRACED: Final = f"| tool | images: fp32 | fp16 | int8 |\n|{'---|' * 4}\n"


def page_with(page: str, figures: Mapping[str, Any]) -> str:
    """Return the page with the tables of the figures."""
    demo, traced = figures["cells"], figures["traced"]
    lines = [_line(tool, figures, demo[tool.name], ("text", "image")) for tool in TOOLS]
    page = _placed(page, "portability", HEAD, lines)
    lines = [_line(tool, figures, traced[tool.name], ("image",)) for tool in TRACED]
    return _placed(page, "traced", HEAD_OF_TRACED, lines)


def _placed(page: str, name: str, head: str, lines: Sequence[str]) -> str:
    """Put a table in its place on the page."""
    place = re.compile(PLACE.format(name), re.DOTALL)
    return place.sub(lambda found: f"{found[1]}{head}{''.join(lines)}{found[2]}", page)


def _line(
    tool: Tool,
    figures: Mapping[str, Any],
    cells: Mapping[str, Any],
    modalities: Sequence[Modality],
) -> str:
    cosines = [
        f"{cells[precision][modality]:.4f}" for modality in modalities for precision in SUFFIXES
    ]
    versions = _versions(tool, figures)
    label = versions if versions.startswith(f"{tool.name} ") else f"{tool.name}: {versions}"
    return f"| {label} | {' | '.join(cosines)} |\n"


def _versions(tool: Tool, figures: Mapping[str, Any]) -> str:
    pins = figures["packages"][tool.environment]
    found = [re.split(r"==|(?<=.)@", pin) for pin in pins]
    return ", ".join(" ".join(pin) for pin in found if pin[0] in tool.packages)
