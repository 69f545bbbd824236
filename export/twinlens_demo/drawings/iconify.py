"""The icons of Iconify packages: SVG documents by icon name."""

from collections.abc import Mapping
from typing import Any


def svg_of(icons: Mapping[str, Any], name: str) -> str:
    """Return the SVG document of one icon of an Iconify set."""
    icon, flip = _resolve(icons, name)
    left, top = icon.get("left", 0), icon.get("top", 0)
    width = icon.get("width", icons.get("width", 16))
    height = icon.get("height", icons.get("height", 16))
    body = icon["body"].replace("currentColor", "#222")
    if flip:
        body = f'<g transform="translate({2 * left + width} 0) scale(-1 1)">{body}</g>'
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'width="{width}" height="{height}" viewBox="{left} {top} {width} {height}">{body}</svg>'
    )


def _resolve(icons: Mapping[str, Any], name: str) -> tuple[Mapping[str, Any], bool]:
    """Follow aliases to an icon; the second value is True if it is mirrored."""
    flip = False
    while name not in icons["icons"]:
        alias = icons["aliases"][name]
        flip ^= bool(alias.get("hFlip"))
        name = alias["parent"]
    return icons["icons"][name], flip
