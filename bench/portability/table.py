"""The table of docs/pages/models/portability.md, from the figures."""

import re
from collections.abc import Mapping
from typing import Any, Final

from bench.portability.tools import TOOLS, Tool
from twinlens_export.portable.names import SUFFIXES

PLACE: Final = re.compile(r"(<!-- table: portability -->\n).*?(<!-- end -->)", re.DOTALL)
HEAD: Final = f"| tool | texts: fp32 | fp16 | int8 | images: fp32 | fp16 | int8 |\n|{'---|' * 7}\n"


def page_with(page: str, figures: Mapping[str, Any]) -> str:
    """Return the page with the table of the figures."""
    lines = [_line(tool, figures) for tool in TOOLS if tool.name in figures["cells"]]
    return PLACE.sub(lambda found: f"{found[1]}{HEAD}{''.join(lines)}{found[2]}", page)


def _line(tool: Tool, figures: Mapping[str, Any]) -> str:
    cells = figures["cells"][tool.name]
    cosines = [
        f"{cells[precision][modality]:.4f}" if precision in cells else ""
        for modality in ("text", "image")
        for precision in SUFFIXES
    ]
    versions = _versions(tool, figures)
    label = versions if versions.startswith(f"{tool.name} ") else f"{tool.name}: {versions}"
    return f"| {label} | {' | '.join(cosines)} |\n"


def _versions(tool: Tool, figures: Mapping[str, Any]) -> str:
    pins = figures["packages"][tool.environment]
    found = [re.split(r"==|(?<=.)@", pin) for pin in pins]
    return ", ".join(" ".join(pin) for pin in found if pin[0] in tool.packages)
