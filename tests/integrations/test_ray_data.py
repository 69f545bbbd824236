"""Ray Data embeds pictures by actors, and its checkpoints resume a job."""

from pathlib import Path

import pytest
from docstring_example import run_example
from picture_folder import assert_rows_of_pictures, read_embeddings, write_pictures

import twinlens
from twinlens.integrations import ray_data
from twinlens.integrations.embedding_job import EmbeddingJob

ray = pytest.importorskip("ray", reason="needs the integrations extra")

pytestmark = [
    pytest.mark.usefixtures("local_ray"),
    # Ray Data sets its own deprecated defaults as its context is made.
    pytest.mark.filterwarnings("ignore:`use_(push_based_shuffle|polars|arrow_tensor_v2)` is depr"),
]


@pytest.fixture(autouse=True)
def context() -> object:
    found = ray.data.DataContext.get_current()
    found.enable_progress_bars = False
    yield found
    found.checkpoint_config = None


def test_the_example_embeds_a_folder(tmp_path: Path) -> None:
    paths = write_pictures(tmp_path / "photos")
    places = {name: str(tmp_path / name) for name in ("photos", "embeddings")}
    run_example(ray_data, places=places)
    table = read_embeddings(tmp_path / "embeddings")
    assert_rows_of_pictures(table, paths, twinlens.load("demo"))
    assert str(table.schema.field("embedding").type).startswith("fixed_size_list<")


def test_a_checkpoint_leaves_out_what_is_written(tmp_path: Path, context: object) -> None:
    paths = write_pictures(tmp_path / "photos")
    run_example(ray_data, {"ray": ray}, number=1, places={"/shared": str(tmp_path)})
    context.checkpoint_config.delete_checkpoint_on_success = False  # as if the first job was cut
    job = EmbeddingJob("demo", image="bytes", name="path")
    for part in (paths[:9], paths):
        photos = ray.data.read_binary_files([str(path) for path in part], include_paths=True)
        rows = photos.map_batches(
            ray_data.Embedder,
            fn_constructor_args=[job],
            compute=ray.data.ActorPoolStrategy(size=1),
            num_cpus=0.5,
            batch_format="pyarrow",
        )
        rows.rename_columns({"name": "path"}).write_parquet(str(tmp_path / "embeddings"))
    table = read_embeddings(tmp_path / "embeddings").rename_columns(["name", "embedding", "lost"])
    assert_rows_of_pictures(table, paths, twinlens.load("demo"))
