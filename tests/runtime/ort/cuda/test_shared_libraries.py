from pathlib import Path

import onnxruntime
import pytest
from imitated_cuda import elf

from twinlens.ort.cuda.shared_libraries import missing, needed

CAPI = Path(onnxruntime.__file__).parent / "capi"


def test_a_real_library_needs_what_its_linker_wrote() -> None:
    (shared,) = CAPI.glob("libonnxruntime_providers_shared.so*")
    assert "libc.so.6" in needed(shared)
    assert missing(shared) == {}


def test_libraries_that_are_not_there_are_named_with_the_loaders_words(tmp_path: Path) -> None:
    library = tmp_path / "lib.so"
    library.write_bytes(elf("libcublasLt.so.99", "libc.so.6", "libcudart.so.99"))
    assert needed(library) == ("libcublasLt.so.99", "libc.so.6", "libcudart.so.99")
    found = missing(library)
    assert list(found) == ["libcublasLt.so.99", "libcudart.so.99"]
    assert found["libcudart.so.99"].startswith("libcudart.so.99: cannot open shared object file")


def test_a_library_beside_the_one_that_needs_it_is_found(tmp_path: Path) -> None:
    library = tmp_path / "lib.so"
    library.write_bytes(elf("libbeside.so"))
    (shared,) = CAPI.glob("libonnxruntime_providers_shared.so*")
    (tmp_path / "libbeside.so").write_bytes(shared.read_bytes())
    assert missing(library) == {}


@pytest.mark.parametrize("content", [b"", b"MZ\x90", b"\x7fELF\x01\x01" + bytes(64), bytes(100)])
def test_what_is_no_64_bit_elf_file_needs_nothing(tmp_path: Path, content: bytes) -> None:
    library = tmp_path / "lib.so"
    library.write_bytes(content)
    assert needed(library) == ()
