"""A local Ray for all tests of this room."""

import os
from collections.abc import Iterator

import pytest

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
# Ray sets the devices of a worker that asks for none to none at all; its default is to change.
os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "0"


@pytest.fixture(scope="session")
def local_ray(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    ray = pytest.importorskip("ray", reason="needs the integrations extra")
    # CPUs of Ray are permits: Ray Data waits for ever if actors, readers and filters want more.
    ray.init(
        num_cpus=4,
        include_dashboard=False,
        object_store_memory=200_000_000,
        log_to_driver=False,
        logging_level="error",
    )
    yield
    ray.shutdown()
