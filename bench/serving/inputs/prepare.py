"""Preparation of all that is not timed: a checkpoint, its bundle, plain graphs, items."""

import shutil
from typing import Final

import numpy as np

import twinlens
from bench.harness.paths import ROOT
from bench.serving.inputs.items import Items, folder_of, write_items
from bench.towers.inputs.plain_graphs import write_dynamic, write_traced
from bench.towers.inputs.prepare import make_once
from bench.towers.inputs.prepare import prepare as prepare_towers
from bench.towers.inputs.workspace import MODALITIES, Workspace

SMALL: Final = "demo"
"""Model inside the package, for runs that try the bench itself."""


def prepare(workspace: Workspace) -> None:
    """Make what is not there yet."""
    if workspace.model == SMALL:
        copy_demo(workspace)
    else:
        prepare_towers(workspace, {"plain", "dynamic"}, MODALITIES)
    write_items(workspace)
    write_expected(workspace)


def copy_demo(workspace: Workspace) -> None:
    """Take the demo's bundle and checkpoint, and trace plain graphs of the latter."""
    workspace.folder.mkdir(parents=True, exist_ok=True)
    copies = {
        workspace.bundle: ROOT / "runtime" / "twinlens" / "demo" / "bundle",
        workspace.checkpoint: ROOT / "export" / "demo_checkpoint",
    }
    for place, source in copies.items():
        make_once(place, lambda path, source=source: shutil.copytree(source, path))
    for kind, make in {"plain": write_traced, "dynamic": write_dynamic}.items():
        for one in MODALITIES:
            place = workspace.graph(kind, one)
            place.parent.mkdir(exist_ok=True)
            make_once(
                place, lambda path, make=make, kind=kind, one=one: make(workspace, kind, one, path)
            )


def write_expected(workspace: Workspace) -> None:
    """Write the rows of `embed_texts` and `embed_images`, which every answer must be to the bit."""
    folder = folder_of(workspace)
    items = Items.read(folder)
    model = twinlens.load(workspace.bundle, device="cpu", threads=1)
    np.save(folder / "expected_texts.npy", model.embed_texts(items.captions, on_cut="ignore"))
    np.save(folder / "expected_images.npy", model.embed_images(items.pictures))
