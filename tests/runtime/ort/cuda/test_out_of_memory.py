"""What onnxruntime says when a device is full, told from what it says otherwise."""

import subprocess
import sys

import pytest

from twinlens.errors import DeviceMemoryError, ProviderError, TwinlensError
from twinlens.ort.cuda.out_of_memory import is_out_of_memory

FULL = (
    "bfc_arena.cc:376 void* onnxruntime::BFCArena::AllocateRawInternal(size_t, bool) "  # noqa: ISC004
    "Failed to allocate memory for requested buffer of size 8388608000",
    "bfc_arena.cc:301 Available memory of 1048576 is smaller than requested bytes of 8388608000",
    "CUDA failure 2: out of memory ; GPU=0 ; hostname=vm ; file=cuda_stream_handle.cc ; line=175",
    "CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED ; GPU=0 ; expr=cublasCreate(&cublas_handle_);",
    "safeRuntime.cpp (25) - Cuda Error in allocate: 2 (out of memory)",
    "std::bad_alloc",
)
OTHER = (
    "CUDA failure 700: an illegal memory access was encountered ; GPU=0 ; hostname=vm",
    "CUDA failure 200: device kernel image is invalid ; GPU=0",
    "CUDNN failure 1001: CUDNN_STATUS_NOT_INITIALIZED ; GPU=0",
    "Got invalid dimensions for input: input_ids for the following indices",
)


@pytest.mark.parametrize("said", FULL)
def test_a_full_device_is_known_by_its_words(said: str) -> None:
    assert is_out_of_memory(RuntimeError(said))


@pytest.mark.parametrize("said", OTHER)
def test_another_failure_is_none_of_it(said: str) -> None:
    assert not is_out_of_memory(RuntimeError(said))


def test_a_full_device_can_be_caught_as_what_it_is() -> None:
    for kind in (MemoryError, ProviderError, RuntimeError, TwinlensError):
        with pytest.raises(kind, match="no room"):
            raise DeviceMemoryError("no room")


def test_a_real_arena_at_its_limit_is_known() -> None:
    """The arena of a GPU is that of the CPU, which can be given a limit too."""
    script = """
import numpy as np
import onnxruntime as ort
from twinlens.ort.cuda.out_of_memory import is_out_of_memory
kind = ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR
place = ort.OrtMemoryInfo("Cpu", kind, 0, ort.OrtMemType.DEFAULT)
limits = {"max_mem": 2**20, "arena_extend_strategy": 1}
ort.create_and_register_allocator(place, ort.OrtArenaCfg(limits))
options = ort.SessionOptions()
options.log_severity_level = 4
options.add_session_config_entry("session.use_env_allocators", "1")
from twinlens_kernels.graphs import PAIRING
session = ort.InferenceSession(PAIRING.content, options, providers=["CPUExecutionProvider"])
one = np.ones(1, dtype=np.float32)
def run(count):
    rows = np.ones((count, 4), dtype=np.float32)
    return session.run(None, {"queries": rows, "rows": rows, "scale": one, "bias": one})[0].shape
assert run(16) == (16, 16)
try:
    run(4096)
except Exception as error:
    assert is_out_of_memory(error), error
else:
    raise AssertionError("there was room")
assert run(16) == (16, 16)
print("known")
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.stdout == "known\n", done.stderr
