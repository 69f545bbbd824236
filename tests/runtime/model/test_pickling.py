"""Pickling: another process opens the same bundle anew, or tells the reason why it cannot."""

import copy
import os
import pickle
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from half_demo import half_demo
from imitated_cuda import imitate_gpu

import twinlens
from twinlens import BundleError, ClosedError, Model, PixelOptions, ProviderError, ReadOptions
from twinlens.bundle.bundle import Bundle
from twinlens.demo.samples import bundled_drawings
from twinlens.loading import folder_of

PICTURES = [drawing.path for drawing in bundled_drawings()[:3]]
OTHER_PROCESS = """
    import pickle, sys
    import numpy as np

    model, pictures = pickle.loads(sys.stdin.buffer.read())
    rows = np.concatenate([model.embed_images(pictures), model.embed_texts(["a dog"])])
    pickle.dump((repr(model), model.about, model._options, rows), sys.stdout.buffer)
"""


def test_another_process_gives_the_same_rows_with_the_same_options(tmp_path: Path) -> None:
    pixels = PixelOptions(mode="fast", read=ReadOptions(background=(1, 2, 3)))
    model = twinlens.load(
        half_demo(), device="cpu", precision="fp16", threads=1, pixels=pixels, low_memory=True
    )
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(OTHER_PROCESS)],
        input=pickle.dumps((model, PICTURES)),
        stdout=subprocess.PIPE,
        check=True,
        cwd=tmp_path,
        timeout=120,
    )
    shown, about, options, rows = pickle.loads(done.stdout)
    assert (shown, about, options) == (repr(model), model.about, model._options)
    assert options.pixels == pixels
    wanted = [model.embed_images(PICTURES), model.embed_texts(["a dog"])]
    np.testing.assert_array_equal(rows, np.concatenate(wanted))


def test_a_pickle_is_small_and_names_no_place_of_the_package(model: Model) -> None:
    content = pickle.dumps(model)
    assert len(content) < 2000
    assert os.fsencode(folder_of("demo").parent) not in content


def test_the_threads_are_those_of_the_process_that_opens_it(model: Model) -> None:
    assert twinlens.load("demo", device="cpu")._options.threads is None
    again: Model = pickle.loads(pickle.dumps(model))
    assert again is not model
    assert again._options.threads == 2
    again.close()
    assert not model.closed


def test_a_relative_path_means_the_folder_where_it_was_loaded(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(bundle.folder.parent)
    content = pickle.dumps(twinlens.load(bundle.folder.name, device="cpu", threads=1))
    monkeypatch.chdir("/")
    assert pickle.loads(content).embed_texts(["dog"]).shape == (1, 3)


def remove(folder: Path) -> None:
    shutil.rmtree(folder)


def replace(folder: Path) -> None:
    shutil.rmtree(folder)
    shutil.copytree(folder_of("demo"), folder)


def cut_a_tower(folder: Path) -> None:
    tower = folder / "onnx/text_model.onnx"
    tower.write_bytes(tower.read_bytes()[:-1])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            remove,
            "a pickled model opens its bundle anew, but .*is not a bundle.* the same place on",
        ),
        (replace, "is not the bundle of the pickled model: its manifest has sha256 .* wanted "),
        (cut_a_tower, "text_model.onnx was changed after the export"),
    ],
)
def test_a_bundle_that_is_gone_or_was_changed_is_refused(
    bundle: Bundle, change: Callable[[Path], None], message: str
) -> None:
    content = pickle.dumps(twinlens.load(bundle.folder, device="cpu", threads=1))
    change(bundle.folder)
    with pytest.raises(BundleError, match=message):
        pickle.loads(content)


def test_a_device_that_is_not_there_is_refused(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as there:
        imitate_gpu(there)
        content = pickle.dumps(twinlens.load(bundle.folder, device="cuda"))
        assert pickle.loads(content).device == "cuda:0"
    with pytest.raises(ProviderError, match="asked for cuda:0"):
        pickle.loads(content)


def test_a_closed_model_is_not_pickled(bundle: Bundle) -> None:
    with twinlens.load(bundle.folder, device="cpu", threads=1) as model:
        pass
    with pytest.raises(ClosedError, match="was closed"):
        pickle.dumps(model)


def test_a_copy_is_the_model_itself(model: Model) -> None:
    assert copy.copy(model) is model
    assert copy.deepcopy({"m": model})["m"] is model
