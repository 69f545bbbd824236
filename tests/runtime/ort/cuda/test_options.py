import dataclasses
from pathlib import Path

import pytest

from twinlens.ort.cuda.options import CudaOptions


def test_the_default_is_heuristic_exact_and_grows_as_requested() -> None:
    assert CudaOptions().provider_options(1) == {
        "device_id": "1",
        "cudnn_conv_algo_search": "HEURISTIC",
        "arena_extend_strategy": "kSameAsRequested",
        "use_tf32": "0",
        "enable_cuda_graph": "0",
        "enable_skip_layer_norm_strict_mode": "1",
    }


def test_every_choice_reaches_onnxruntime() -> None:
    chosen = CudaOptions(
        convolution_search="exhaustive",
        arena_growth="doubling",
        memory_bytes=2**32,
        tf32=True,
        graphs=True,
    )
    assert chosen.provider_options(0) == {
        "device_id": "0",
        "cudnn_conv_algo_search": "EXHAUSTIVE",
        "arena_extend_strategy": "kNextPowerOfTwo",
        "use_tf32": "1",
        "enable_cuda_graph": "1",
        "enable_skip_layer_norm_strict_mode": "1",
        "gpu_mem_limit": "4294967296",
    }
    told = chosen.tensorrt_options(2, Path("engines"))
    assert (told["device_id"], told["trt_engine_cache_path"]) == ("2", "engines")
    assert told["trt_cuda_graph_enable"] == "1"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("convolution_search", "fast"),
        ("arena_growth", "none"),
        ("memory_bytes", 0),
        ("lanes", 0),
        ("largest_batch", -1),
    ],
)
def test_a_choice_that_means_nothing_is_refused(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=rf"{name} is '?{value}'?, not "):
        dataclasses.replace(CudaOptions(), **{name: value})  # type: ignore[arg-type]
