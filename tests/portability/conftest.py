"""The repository's root among the places of modules, and the model whose rows are compared.

`python -m bench.portability --install` installs the tools, into `build/tools` or TWINLENS_TOOLS.
"""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2]))

from bench.parity.checkpoints.open_clip_folders import imported_open_clip
from bench.portability.compared import Compared
from bench.portability.environments import PINS, VARIABLE, Environments
from twinlens_export.verification import verify


@pytest.fixture(scope="session")
def environments() -> Environments:
    known = Environments.known()
    if not any(map(known.program, PINS)):
        pytest.skip(f"no tools are installed in {known.folder}, nor in that of {VARIABLE}")
    return known


@pytest.fixture(scope="session")
def compared(environments: Environments, tmp_path_factory: pytest.TempPathFactory) -> Compared:
    """The demo model in every precision, exported once for all tools."""
    return Compared.demo(tmp_path_factory.mktemp("portability"))


@pytest.fixture(scope="session")
def convnext(environments: Environments, tmp_path_factory: pytest.TempPathFactory) -> Compared:
    """A CLIP whose image tower was traced, exported once for all tools."""
    library = imported_open_clip()
    if library is None:
        pytest.skip("open_clip, whose model this is, is not installed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verify, "TOLERANCES", verify.TOLERANCES)  # random weights rank nothing
        return Compared.convnext(tmp_path_factory.mktemp("traced"), library)
