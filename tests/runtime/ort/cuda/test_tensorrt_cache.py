from pathlib import Path

from twinlens.ort.cuda.tensorrt_cache import engine_folder, model_hash


def test_engines_of_another_gpu_version_or_program_lie_elsewhere(tmp_path: Path) -> None:
    versions = ("onnxruntime 1.31.1", "TensorRT 10.13.2")
    made = [
        engine_folder(tmp_path, gpu="NVIDIA H100 80GB/HBM3", versions=versions, model="a"),
        engine_folder(tmp_path, gpu="NVIDIA A10", versions=versions, model="a"),
        engine_folder(tmp_path, gpu="NVIDIA A10", versions=("onnxruntime 1.32",), model="a"),
        engine_folder(tmp_path, gpu="NVIDIA A10", versions=versions, model="b"),
    ]
    assert len({*made}) == 4
    assert all(folder.is_dir() for folder in made)
    assert made[0] == (
        tmp_path / "NVIDIA_H100_80GB_HBM3" / "onnxruntime_1.31.1_TensorRT_10.13.2" / "a"
    )
    again = engine_folder(tmp_path, gpu="NVIDIA A10", versions=versions, model="b")
    assert again == made[3]


def test_the_hash_of_a_program_is_also_of_its_weights_beside_it(tmp_path: Path) -> None:
    program = tmp_path / "vision_model.onnx"
    program.write_bytes(b"graph")
    (tmp_path / "text_model.onnx").write_bytes(b"another")
    alone = model_hash(program)
    assert alone == model_hash(program)
    weights = tmp_path / "vision_model.onnx_data"
    weights.write_bytes(b"one")
    first = model_hash(program)
    weights.write_bytes(b"two")
    assert len({alone, first, model_hash(program)}) == 3
    assert len({model_hash(b"graph"), model_hash(b"other")}) == 2
