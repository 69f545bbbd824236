"""Limits of the address space: an error that says so, and right rows once there is memory again."""

import json
import subprocess
import sys

import pytest

from twinlens.bundle.specs import ImageSpec
from twinlens.demo.samples import bundled_drawings
from twinlens.images.load import load
from twinlens.ort.memory import address_space
from twinlens.ort.memory.address_space import require_address_space
from twinlens_kernels import operators

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

PROGRAM = """
import json, resource, sys
import numpy as np
import twinlens
from twinlens.demo.samples import bundled_drawings

def under(above_kb, act):
    pages = int(open("/proc/self/statm").read().split()[0])
    limit = pages * resource.getpagesize() + above_kb * 1024
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
    try:
        act()
        return "rows"
    except MemoryError as error:
        return f"MemoryError: {error}"
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)

paths = [drawing.path for drawing in bundled_drawings()]
texts = [f"picture number {n}" for n in range(256)]
pixels = [np.full((64, 64, 3), n, np.uint8) for n in range(64)]
found = {}
for threads in (1, 2):
    model = twinlens.load("demo", device="cpu", threads=threads)
    model.embed_texts(texts[:1]), model.embed_images(paths[:1])
    acts = {
        "texts": lambda: model.embed_texts(texts),
        "pixels": lambda: model.embed_images(pixels),
        "files": lambda: model.embed_images(paths, on_error="nan"),
        "load": lambda: twinlens.load("demo", device="cpu", threads=threads),
    }
    for name, act in acts.items():
        for above_kb in (0, 300, 5000, 15000):
            found[f"{name} {threads} {above_kb}"] = under(above_kb, act)
    assert np.isfinite(model.embed_images(paths)).all()
    assert np.isfinite(model.embed_texts(texts)).all()
print(json.dumps(found))
"""


def test_a_limit_that_is_near_is_an_error_and_no_crash_and_no_hang() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert len(found) == 2 * 4 * 4
    for case, outcome in found.items():
        assert outcome.startswith("MemoryError: "), case


def test_a_call_names_its_need_and_threads_add_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def refuse(_: int, n_bytes: int, **__: object) -> object:
        asked.append(n_bytes)
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(address_space.mmap, "mmap", refuse)
    require_address_space("a run")
    assert asked == [], "without a limit nothing is asked"
    monkeypatch.setattr(address_space, "_is_limited", lambda: True)
    monkeypatch.setattr(address_space, "_stack_bytes", lambda: 2**23)
    for threads, wanted in ((0, 16), (3, 16 + 27)):
        with pytest.raises(MemoryError, match=f"a pool needs a reserve of {wanted} MiB"):
            require_address_space("a pool", threads=threads)
    assert asked == [2**24, 2**24 + 27 * 2**20]


def test_a_shortage_is_no_fault_of_an_image(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> object:
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(address_space, "_is_limited", lambda: True)
    monkeypatch.setattr(address_space.mmap, "mmap", refuse)
    # As an ImageError, "skip" would leave out every picture of a run that came near its limit.
    with pytest.raises(MemoryError, match="an image needs a reserve"):
        load(bundled_drawings()[0].path, ImageSpec(side_px=64))


SHORT_OF_MEMORY = """
import resource, sys
import numpy as np, onnxruntime
from twinlens_kernels import operators
from twinlens.loading import folder_of
threads, above = sys.argv[1], int(sys.argv[2])
options = onnxruntime.SessionOptions()
options.intra_op_num_threads, options.log_severity_level = int(threads), 4
options.add_session_config_entry("twinlens.threads", threads)
options.register_custom_ops_library(str(operators.library()))
path = folder_of("demo") / "onnx" / "vision_model_int8.onnx"
session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
feeds = {"pixel_values": np.zeros((64, 64, 64, 3), np.uint8)}
with open("/proc/self/statm") as file:
    taken = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (taken + above, resource.RLIM_INFINITY))
ends = []
for _ in range(3):
    try:
        ends.append(str(session.run(None, feeds)[0].shape))
    except Exception as error:
        ends.append(type(error).__name__)
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)
(rows,) = session.run(None, feeds)
print(*ends, rows.shape)
"""


@pytest.mark.skipif(operators.path() is None, reason="no native operators here")
@pytest.mark.parametrize("threads", ["1", "2"])
def test_native_operators_without_memory_are_an_error_and_no_signal(threads: str) -> None:
    ends = []
    for above_kb in (64, 1_000, 5_000, 8_000, 12_000, 30_000):
        asked = [sys.executable, "-c", SHORT_OF_MEMORY, threads, str(above_kb * 1024)]
        done = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, f"{above_kb} KB: {done.returncode}\n{done.stderr[-2000:]}"
        ends.append(done.stdout)
    assert "Exception" in ends[0] or "Fail" in ends[0]
    assert all(end.endswith("(64, 192)\n") for end in ends)
