"""Towers that are not those of the manifest, however it was sealed, are refused when opened."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import twinlens
from twinlens.bundle.bundle import MANIFEST
from twinlens.errors import BundleError
from twinlens.loading import folder_of

Altered = Callable[[Callable[[dict[str, Any]], None]], Path]


def change(*place: str, value: object) -> Callable[[dict[str, Any]], None]:
    def act(manifest: dict[str, Any]) -> None:
        part = manifest
        for name in place[:-1]:
            part = part[name]
        part[place[-1]] = value

    return act


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (("width",), 64, r"text_embeds as float \[batch, 192\], its manifest wants .*\[any, 64\]"),
        (("image", "side_px"), 65, r"uint8 \[batch, 64, 64, 3\], .* uint8 \[any, 65, 65, 3\]"),
        (("text", "context"), 33, "does not embed 33 tokens, padded with id 3071"),
        (("text", "pad_id"), 3072, "does not embed 32 tokens, padded with id 3072"),
        (("towers", "int8", "text", "input"), "ids", r"maps \['input_ids'\] .*, wanted \['ids'\]"),
        (("towers", "int8", "text", "output"), "rows", r"to \['text_embeds'\], wanted .*'rows'"),
        (
            ("towers", "int8", "text", "output"),
            "x\n" * 10**5,
            r"wanted .*\['x\\nx.*\.\.\..*x\\n'\]",
        ),
        (("towers", "int8", "text", "bytes"), 1, "[0-9]+ bytes, wanted 1"),
    ],
)
def test_a_field_that_does_not_fit_the_towers_is_named(
    altered: Altered, place: tuple[str, ...], value: object, message: str
) -> None:
    folder = altered(change(*place, value=value))
    with pytest.raises(BundleError, match=f"{message}.*export it again") as caught:
        twinlens.load(folder, device="cpu", threads=1)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 1000


def test_towers_that_were_exchanged_are_refused(altered: Altered) -> None:
    document = json.loads((folder_of("demo") / MANIFEST).read_text(encoding="utf-8"))
    towers = document["towers"]["int8"]
    for modality, other in (("image", "text"), ("text", "image")):
        folder = altered(change("towers", "int8", modality, value=towers[other]))
        with pytest.raises(BundleError, match=r"has \w+ as .*, its manifest wants .*; export it"):
            twinlens.load(folder, device="cpu", threads=1)
        (folder / MANIFEST).unlink()
        folder.rename(folder.with_name(modality))
