"""No bar, no tqdm; and a bar takes nothing that processes share."""

import subprocess
import sys

import pytest

from twinlens import Model
from twinlens.demo.samples import bundled_drawings
from twinlens.progress import counted, progress_bar

PREAMBLE = (
    "import multiprocessing, sys, twinlens; from twinlens.demo.samples import bundled_drawings; "
    "model = twinlens.load('demo', device='cpu', threads=1); "
    "pictures = [drawing.path for drawing in bundled_drawings()[:3]]; "
)


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-I", "-c", PREAMBLE + code], check=True, capture_output=True, text=True
    )
    return done.stderr


def test_tqdm_is_not_imported_where_no_bar_is_shown() -> None:
    code = (
        "model.embed_texts(['a']); model.embed_images(pictures); model.classify(pictures, ['a']); "
        "model.match(pictures, ['a'] * 3); next(model.stream_images(pictures)); "
        "assert not {'tqdm', 'multiprocessing.synchronize'} & set(sys.modules); "
        "multiprocessing.set_start_method('spawn')"
    )
    assert run(code) == ""


def test_a_bar_takes_no_semaphore_and_settles_no_start_method() -> None:
    code = (
        "model.embed_texts(['a'], progress=True); model.embed_images(pictures, progress=True); "
        "assert 'multiprocessing.synchronize' not in sys.modules; "
        "multiprocessing.set_start_method('spawn'); "
        # Another bar of the same process keeps the lock of its own kind.
        "from tqdm import tqdm; tqdm(total=1).close()"
    )
    shown = run(code)
    assert "1/1" in shown
    assert "3/3" in shown


def test_a_bar_counts_what_is_done(model: Model, capsys: pytest.CaptureFixture[str]) -> None:
    pictures = [drawing.path for drawing in bundled_drawings()[:5]]
    for progress in (False, True):
        list(model.stream_images(pictures, block=2, progress=progress))
        assert ("5/5" in capsys.readouterr().err) == progress
    with progress_bar(True, total=None, unit="image") as update:
        assert list(counted("abc", update)) == ["a", "b", "c"]
    assert "3image" in capsys.readouterr().err
