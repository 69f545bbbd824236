"""Tower on a device of its own, which the CPU provider imitates."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from half_demo import half_demo
from imitated_cuda import CUDA, Gpu, ImitatedSession, imitate_gpu

import twinlens
from twinlens import CudaOptions, Model
from twinlens.bundle.bundle import Bundle
from twinlens.bundle.manifest import TowerFile
from twinlens.demo.samples import bundled_drawings
from twinlens.embedding.device_tower import DeviceTower
from twinlens.errors import DeviceMemoryError, ImageError, ProviderError
from twinlens.ort.cuda.options import DEFAULT
from twinlens.ort.device import CPU, Device
from twinlens.ort.session import Session

FULL = RuntimeError(
    "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Non-zero status code returned while running "
    "MatMul node. Status Message: bfc_arena.cc:376 void* onnxruntime::BFCArena::"
    "AllocateRawInternal(size_t, bool, onnxruntime::Stream*) Failed to allocate memory for "
    "requested buffer of size 8388608000"
)
BROKEN = RuntimeError("CUDA failure 700: an illegal memory access was encountered ; GPU=0")


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Gpu:
    return imitate_gpu(monkeypatch)


def image_file(bundle: Bundle) -> TowerFile:
    return bundle.manifest.towers["fp32"].image


def image_tower(
    bundle: Bundle, *, device: Device = CPU, cuda: CudaOptions = DEFAULT
) -> DeviceTower:
    path = bundle.path(image_file(bundle).file)

    def open_on(threads: int) -> Session:
        return Session(path, device=device, threads=threads, name="the tower", cuda=cuda)

    return DeviceTower(image_file(bundle), open_on, cuda=cuda)


def images(bundle: Bundle, count: int) -> np.ndarray:
    side = bundle.manifest.image.side_px
    return np.random.default_rng(0).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


# Batches of any size.


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 9, 20, 0])
def test_batches_of_any_size_give_what_the_session_gives(bundle: Bundle, count: int) -> None:
    tower = image_tower(bundle, cuda=CudaOptions(largest_batch=8))
    batch = images(bundle, count)
    file = image_file(bundle)
    plain = Session(bundle.path(file.file), device=CPU, threads=1, name="the tower")
    rows = tower.embed(batch)
    assert (rows.shape, rows.dtype) == ((count, 3), np.float32)
    np.testing.assert_array_equal(rows, plain.run({file.input: batch}, file.output))


def test_batches_are_cut_and_padded_to_few_sizes(bundle: Bundle, gpu: Gpu) -> None:
    tower = image_tower(bundle, device=Device(kind="cuda"), cuda=CudaOptions(largest_batch=8))
    for count in (1, 3, 8, 13):
        tower.embed(images(bundle, count))
    assert [shape[0] for shape in gpu.shapes] == [1, 4, 8, 8, 8]
    tower = image_tower(bundle, device=Device(kind="cuda"), cuda=CudaOptions(largest_batch=6))
    tower.embed(images(bundle, 11))
    assert [shape[0] for shape in gpu.shapes[5:]] == [6, 6]


def test_what_stood_in_a_batch_before_does_not_show(bundle: Bundle) -> None:
    tower = image_tower(bundle)
    batch = images(bundle, 8)
    first = tower.embed(batch[:5])
    tower.embed(batch[::-1])
    rows = tower.embed(batch[:5])
    np.testing.assert_array_equal(rows, first)
    rows[:] = 0
    np.testing.assert_array_equal(tower.embed(batch[:5]), first)


def test_several_batches_are_under_way_at_once(bundle: Bundle, gpu: Gpu) -> None:
    tower = image_tower(bundle, device=Device(kind="cuda"), cuda=CudaOptions(lanes=2))
    batches = [images(bundle, 4) // (number + 1) for number in range(4)]
    wanted = [tower.embed(batch) for batch in batches]
    # Nobody passes unless two are there.
    gpu.before_run = threading.Barrier(2, timeout=20).wait
    found: dict[int, np.ndarray] = {}

    def work(number: int) -> None:
        found[number] = tower.embed(batches[number])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, rows in enumerate(wanted):
        np.testing.assert_array_equal(found[number], rows)


def test_a_forked_child_gets_an_error_though_all_lanes_are_taken(bundle: Bundle, gpu: Gpu) -> None:
    tower = image_tower(bundle, device=Device(kind="cuda"), cuda=CudaOptions(lanes=1))
    tower._lanes.get()  # as by a thread of the parent, in the middle of a run
    tower._session.renew(torn=False)
    for act in (tower.embed, tower.single_threaded(), tower.embed_on_device):
        with pytest.raises(ProviderError, match="CUDA does not survive a fork; load the model in"):
            act(images(bundle, 2))


def test_rows_may_stay_on_the_device(bundle: Bundle, gpu: Gpu) -> None:
    for device in (CPU, Device(kind="cuda")):
        tower = image_tower(bundle, device=device)
        batch = images(bundle, 5)
        left = tower.embed_on_device(batch)
        assert left.shape == (5, 3)
        np.testing.assert_array_equal(left.numpy(), tower.embed(batch))


# Recorded runs.


def test_each_size_is_recorded_under_a_number_of_its_own(bundle: Bundle, gpu: Gpu) -> None:
    cuda = CudaOptions(graphs=True, lanes=2)
    tower = image_tower(bundle, device=Device(kind="cuda"), cuda=cuda)
    assert len(gpu.providers) == 2, "a session for each lane"
    assert {asked[CUDA]["enable_cuda_graph"] for asked in gpu.providers} == {"1"}
    for count in (1, 4, 1, 3):
        tower.embed(images(bundle, count))
    assert gpu.recorded == ["1", "2", "1", "2"]
    tower.embed_on_device(images(bundle, 2))
    assert gpu.recorded[-1] == "-1"


def test_nothing_is_recorded_unless_asked_for(bundle: Bundle, gpu: Gpu) -> None:
    tower = image_tower(bundle, device=Device(kind="cuda"))
    assert len(gpu.providers) == 1, "one session for all lanes"
    tower.embed(images(bundle, 1))
    tower.embed_on_device(images(bundle, 1))
    assert gpu.recorded == [None, None]


# A device that is full.


def test_a_full_device_gets_the_batch_in_halves(
    bundle: Bundle, gpu: Gpu, caplog: pytest.LogCaptureFixture
) -> None:
    tower = image_tower(bundle, device=Device(kind="cuda"))
    batch = images(bundle, 7)
    wanted = tower.embed(batch)
    gpu.shapes.clear()
    gpu.refusals.append(FULL)
    np.testing.assert_array_equal(tower.embed(batch), wanted)
    assert [shape[0] for shape in gpu.shapes] == [4, 4]
    assert "a batch of 7 is split, for the tower failed on [8, 4, 4, 3]: " in caplog.text
    np.testing.assert_array_equal(tower.embed(batch), wanted)


def test_a_device_too_full_for_halves_is_an_error_and_works_afterwards(
    bundle: Bundle, gpu: Gpu
) -> None:
    tower = image_tower(bundle, device=Device(kind="cuda"))
    batch = images(bundle, 8)
    wanted = tower.embed(batch)
    for refused in ([FULL, FULL], [FULL, FULL]):
        gpu.refusals += refused
        with pytest.raises(
            DeviceMemoryError,
            match=r"neither for a batch of 8 nor for its halves .*CudaOptions\(largest_batch=2\)",
        ):
            tower.embed(batch)
        assert gpu.refusals == []
        np.testing.assert_array_equal(tower.embed(batch), wanted)
    gpu.refusals.append(FULL)
    with pytest.raises(DeviceMemoryError, match=r"the tower failed on \[1, 4, 4, 3\]: .*less at a"):
        tower.embed(batch[:1])


def test_a_device_that_is_broken_is_not_taken_for_full(bundle: Bundle, gpu: Gpu) -> None:
    tower = image_tower(bundle, device=Device(kind="cuda"))
    batch = images(bundle, 8)
    gpu.refusals.append(BROKEN)
    with pytest.raises(ProviderError, match="illegal memory access") as raised:
        tower.embed(batch)
    assert not isinstance(raised.value, DeviceMemoryError)
    assert gpu.shapes == [], "it is not tried again"


# Nodes on the CPU.


def test_a_tower_of_which_a_node_fell_back_is_refused(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    imitate_gpu(monkeypatch, on_cpu=("ReduceMean", "LpNormalization"))
    with pytest.raises(
        ProviderError,
        match=r"the tower has nodes that cuda:1 does not run: ReduceMean .*, LpNormalization .*; "
        r"take precision='fp16', another onnxruntime-gpu, or device='cpu'",
    ):
        image_tower(bundle, device=Device(kind="cuda", number=1))


def test_an_onnxruntime_that_does_not_tell_is_refused(
    bundle: Bundle, gpu: Gpu, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "get_provider_graph_assignment_info"
    for kind in ImitatedSession.__mro__:
        if name in vars(kind):
            monkeypatch.delattr(kind, name)
    with pytest.raises(ProviderError, match=r"does not tell which nodes cuda:0 runs, wanted 1\.26"):
        image_tower(bundle, device=Device(kind="cuda"))


def test_a_node_that_reads_shapes_alone_may_run_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    imitate_gpu(monkeypatch, on_cpu=("Shape",))
    model = twinlens.load(half_demo(), device="cuda")
    assert model.embed_texts(["a dog"]).shape == (1, model.width)
    imitate_gpu(monkeypatch, on_cpu=("Shape", "Gather"))
    with pytest.raises(ProviderError, match="does not run: Gather words"):
        twinlens.load(half_demo(), device="cuda")


def test_shape_nodes_are_those_that_the_manifest_names(
    altered: Callable[[Callable[[dict[str, Any]], None]], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    imitate_gpu(monkeypatch, on_cpu=("Shape",))
    nameless = altered(lambda manifest: manifest["towers"]["fp16"]["text"].pop("shape_nodes"))
    with pytest.raises(ProviderError, match=r"cuda:0 does not run: Shape Shape\.0; take precision"):
        twinlens.load(nameless, device="cuda")


# The whole model.


def test_a_model_on_a_device_gives_what_the_cpu_gives(gpu: Gpu) -> None:
    options = CudaOptions(largest_batch=8, memory_bytes=2**30, tf32=True)
    there = twinlens.load(half_demo(), device="cuda:1", cuda=options)
    assert (there.device, there.precision) == ("cuda:1", "fp16")
    asked = gpu.providers[-1][CUDA]
    here = twinlens.load(half_demo(), device="cpu", precision="fp16")
    assert asked["device_id"] == "1"
    assert (asked["gpu_mem_limit"], asked["use_tf32"]) == (str(2**30), "1")
    pictures = [drawing.path for drawing in bundled_drawings()[:20]]
    texts = [f"{letter} dog" for letter in "abcdefgh"] + ["a very, very, very small dog"]
    for model in (there, here):
        assert isinstance(model, Model)
    np.testing.assert_allclose(
        there.embed_images(pictures), here.embed_images(pictures), atol=1e-5, rtol=0
    )
    np.testing.assert_allclose(there.embed_texts(texts), here.embed_texts(texts), atol=1e-5, rtol=0)
    sizes = [shape[0] for shape in gpu.shapes if len(shape) == 4]
    assert sizes == [8, 8, 4]
    lengths = {shape[1] for shape in gpu.shapes if len(shape) == 2}
    assert lengths == {8, 16}


def test_rows_that_stay_on_the_device_are_matched_there(gpu: Gpu) -> None:
    pictures = [drawing.path for drawing in bundled_drawings()[:5]]
    texts = ["a dog", "a pizza", "a red car"]
    there = twinlens.load(half_demo(), device="cuda")
    here = twinlens.load(half_demo(), device="cpu", precision="fp16")
    for model in (there, here):
        images, words = model.embed_images_on_device(pictures), model.embed_texts_on_device(texts)
        assert (images.shape, words.shape) == ((5, model.width), (3, model.width))
        matrix = model.probabilities_on_device(images, words)
        wanted = model.probabilities(model.embed_images(pictures), model.embed_texts(texts))
        np.testing.assert_allclose(matrix.numpy(), wanted, atol=1e-3)
        mixed = model.probabilities_on_device(images, model.embed_texts(texts))
        np.testing.assert_allclose(mixed.numpy(), wanted, atol=1e-3)
    with pytest.raises(ImageError, match=r"nowhere\.png"):
        there.embed_images_on_device([pictures[0], Path("nowhere.png")])


# TensorRT.


def test_engines_lie_in_a_folder_of_their_own(bundle: Bundle, gpu: Gpu, tmp_path: Path) -> None:
    cuda = CudaOptions(tensorrt=tmp_path / "engines")
    tower = image_tower(bundle, device=Device(kind="cuda"), cuda=cuda)
    assert list(gpu.providers[0]) == ["TensorrtExecutionProvider", CUDA]
    folder = Path(gpu.providers[0]["TensorrtExecutionProvider"]["trt_engine_cache_path"])
    assert folder.is_dir()
    assert folder.parts[-3] == "Imitation_0"
    assert len(tower.embed(images(bundle, 3))) == 3


def test_tensorrt_that_does_not_come_up_is_an_error(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    imitate_gpu(monkeypatch, broken=("TensorrtExecutionProvider",))
    with pytest.raises(ProviderError, match="asked for TensorRT, but onnxruntime does without it"):
        image_tower(bundle, device=Device(kind="cuda"), cuda=CudaOptions(tensorrt=tmp_path))
