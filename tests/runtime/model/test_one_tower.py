"""Bundles of one tower: the same rows as with both, and one line where the other is needed."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
from http_servers import LoopThread, in_process

import twinlens
from twinlens.__main__ import main
from twinlens.bundle.bundle import open_bundle
from twinlens.demo.samples import bundled_drawings
from twinlens.errors import BundleError, MissingTowerError
from twinlens.model.model import Model

DRAWINGS: Final = bundled_drawings()[:4]
PICTURES: Final = [str(drawing.path) for drawing in DRAWINGS]
TEXTS: Final = [drawing.caption for drawing in DRAWINGS]


def without(modality: str) -> Callable[[dict[str, Any]], None]:
    """Return the change of a manifest that takes a tower out."""

    def change(manifest: dict[str, Any]) -> None:
        del manifest[modality]
        manifest["calibrations"] = {}
        for towers in manifest["towers"].values():
            del towers[modality]
        if modality == "text":
            del manifest["files"]["tokenizer.json"]

    return change


@pytest.fixture
def of_images(altered: Callable[..., Path]) -> Path:
    """The demo's image tower alone; the files of the other are not there."""
    folder = altered(without("text"))
    (folder / "tokenizer.json").unlink()
    for path in folder.glob("onnx/text_model*"):
        path.unlink()
    return folder


@pytest.fixture
def of_texts(altered: Callable[..., Path]) -> Path:
    """The demo's text tower alone."""
    return altered(without("image"))


def test_rows_of_one_tower_are_those_of_both(
    of_images: Path, altered: Callable[..., Path], model: Model, tmp_path: Path
) -> None:
    images = twinlens.load(of_images, device="cpu")
    np.testing.assert_array_equal(images.embed_images(PICTURES), model.embed_images(PICTURES))
    assert images.modalities == ("image",)
    shutil.rmtree(of_images)
    texts = twinlens.load(altered(without("image")), device="cpu")
    np.testing.assert_array_equal(texts.embed_texts(TEXTS), model.embed_texts(TEXTS))
    assert texts.modalities == ("text",)
    assert "passes" not in texts.about
    assert model.modalities == ("image", "text")
    for act in (texts.embed_images, texts.preprocess, texts.stream_images):
        with pytest.raises(MissingTowerError, match=r"no image tower: .* a text tower alone"):
            act([PICTURES[0]])
    index = twinlens.Index.build(model.embed_images(PICTURES), about=model.about)
    twinlens.check_about(index.about, texts.about, modality="text")


@pytest.mark.parametrize(
    "change",
    [
        lambda manifest: manifest["towers"]["int8"].pop("text"),
        lambda manifest: manifest.pop("image"),
        lambda manifest: without("text")(manifest) or without("image")(manifest),
    ],
)
def test_towers_and_inputs_must_be_of_the_same_modalities(
    change: Callable[[dict[str, Any]], object], altered: Callable[..., Path]
) -> None:
    with pytest.raises(BundleError, match=r"towers.*has .*, but there are inputs of"):
        open_bundle(altered(change))


def said(capsys: pytest.CaptureFixture[str], *line: str | Path) -> str:
    """Run a command that fails; return the one line that it says."""
    assert main([str(word) for word in line]) == 1
    (found,) = capsys.readouterr().err.strip().splitlines()
    return found


def test_every_command_works_with_the_image_tower_or_says_so_in_one_line(
    of_images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, index = tmp_path / "pictures", tmp_path / "a.index"
    folder.mkdir()
    for path in PICTURES:
        shutil.copy(path, folder)
    (tmp_path / "pairs.csv").write_text(f"image,text\n{PICTURES[0]},a dog\n")
    assert main(["index", str(of_images), str(folder), "--out", str(index)]) == 0
    capsys.readouterr()
    assert (
        main(["search", str(of_images), str(index), "--image", PICTURES[1], "-k", "1", "--json"])
        == 0
    )
    (found,) = json.loads(capsys.readouterr().out)
    assert Path(found["hits"][0]["name"]).name == Path(PICTURES[1]).name
    assert main(["info", str(of_images)]) == 0
    told = capsys.readouterr().out
    assert "no text tower" in told
    assert "twinlens calibrate" not in told
    pairs, out = tmp_path / "pairs.csv", tmp_path / "rows"
    for line in (
        ("search", of_images, index, "a dog"),
        ("match", of_images, pairs),
        ("classify", of_images, PICTURES[0], "--labels", "dog", "cat"),
        ("evaluate", of_images, pairs),
        ("calibrate", of_images, pairs),
        ("embed", of_images, pairs, "--texts", "--out", out),
        ("bench", of_images, "--seconds", "1"),
    ):
        assert "has no text tower" in said(capsys, *line)
    assert not out.exists()


def test_every_command_for_pictures_says_so_of_a_text_tower(
    of_texts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    for line in (
        ("index", of_texts, PICTURES[0], "--out", out),
        ("embed", of_texts, PICTURES[0], "--out", out),
        ("browse", DRAWINGS[0].path.parent, of_texts, "--index", out, "--no-open"),
    ):
        assert "has no image tower" in said(capsys, *line)
    assert not out.exists()
    (tmp_path / "texts.txt").write_text("\n".join(TEXTS))
    rows = tmp_path / "rows.npy"
    assert (
        main(["embed", str(of_texts), str(tmp_path / "texts.txt"), "--texts", "--out", str(rows)])
        == 0
    )
    assert np.load(rows).shape == (len(TEXTS), 192)


def test_a_service_of_one_tower_answers_what_it_can(of_images: Path, model: Model) -> None:
    loop = LoopThread()
    with in_process(loop, bundle=str(of_images)) as service:
        answer = service.post(
            "/embed", content=DRAWINGS[0].path.read_bytes(), headers={"content-type": "image/png"}
        )
        row = model.embed_images(PICTURES[:1])[0]
        np.testing.assert_array_equal(np.array(answer.json()["embedding"], np.float32), row)
        status, error = service.refused("/v1/embeddings", json={"input": ["a dog"]})
        assert (status, error["code"]) == (422, "no_tower")
        assert "no text tower" in error["message"]
        assert service.get("/health/ready").status_code == 200
    loop.end()
