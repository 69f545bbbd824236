"""Classes for LanceDB, LangChain and LlamaIndex, beside the model that they embed by."""

import asyncio
import io
import json
from pathlib import Path

import numpy as np
import pytest
from foreign_libraries import integration, require

import twinlens
from twinlens.errors import BundleError
from twinlens.model.model import Model

DRAWINGS = sorted((Path(twinlens.__file__).parent / "demo" / "drawings").glob("*.png"))[:5]
PATHS = [str(path) for path in DRAWINGS]
TEXTS = ["a dog", "a red apple", "a flag"]


@pytest.fixture(scope="module")
def model() -> Model:
    return twinlens.load("demo", device="cpu")


def test_langchain_gets_the_rows_of_the_model(model: Model) -> None:
    langchain = integration("langchain", library="langchain_core")
    embeddings = langchain.TwinlensEmbeddings(model)
    rows = model.embed_texts(TEXTS).tolist()
    assert embeddings.embed_documents(TEXTS) == rows
    assert embeddings.embed_query(TEXTS[1]) == rows[1]
    assert asyncio.run(embeddings.aembed_documents(TEXTS)) == rows
    assert embeddings.embed_image(PATHS) == model.embed_images(PATHS).tolist()
    assert embeddings.embed_documents([]) == []


def test_llama_index_gets_the_rows_of_the_model(model: Model) -> None:
    llama_index = integration("llama_index", library="llama_index.core")
    embedding = llama_index.TwinlensEmbedding(model, embed_batch_size=2)
    rows, images = model.embed_texts(TEXTS).tolist(), model.embed_images(PATHS).tolist()
    assert embedding.get_text_embedding_batch(TEXTS) == rows
    assert embedding.get_query_embedding(TEXTS[1]) == embedding.get_text_embedding(TEXTS[1])
    assert embedding.get_query_embedding(TEXTS[1]) == rows[1]
    assert embedding.get_image_embedding_batch(PATHS) == images
    assert embedding.get_image_embedding(io.BytesIO(DRAWINGS[3].read_bytes())) == images[3]

    async def at_once() -> None:
        assert await embedding.aget_text_embedding_batch(TEXTS) == rows
        assert await embedding.aget_query_embedding(TEXTS[1]) == rows[1]
        assert await embedding.aget_image_embedding_batch(PATHS) == images
        assert await embedding.aget_image_embedding(PATHS[2]) == images[2]

    asyncio.run(at_once())
    assert embedding.to_dict()["model_name"] == model.about["model"]


def test_a_table_of_lancedb_embeds_by_the_model_it_was_made_with(
    model: Model, tmp_path: Path
) -> None:
    ours, lancedb = integration("lancedb", library="lancedb"), require("lancedb")
    embeddings = require("lancedb.embeddings")
    function = embeddings.get_registry().get("twinlens").create(source="text")
    assert isinstance(function, ours.TwinlensFunction)
    config = embeddings.EmbeddingFunctionConfig(
        vector_column="vector", source_column="text", function=function
    )
    table = lancedb.connect(tmp_path).create_table(
        "texts", [{"text": text} for text in TEXTS], embedding_functions=[config]
    )
    np.testing.assert_array_equal(
        np.stack(table.to_arrow()["vector"].to_numpy()), model.embed_texts(TEXTS)
    )
    again = lancedb.connect(tmp_path).open_table("texts")
    again.add([{"text": "a cat"}])
    (nearest,) = again.search("a cat").limit(1).to_list()
    assert (nearest["text"], nearest["_distance"]) == ("a cat", pytest.approx(0, abs=1e-6))
    (picture,) = again.search(DRAWINGS[0].read_bytes()).limit(1).to_list()
    cosines = model.embed_images(PATHS[:1]) @ model.embed_texts([*TEXTS, "a cat"]).T
    assert picture["text"] == [*TEXTS, "a cat"][int(np.argmax(cosines))]
    kept = json.loads(again.to_arrow().schema.metadata[b"embedding_functions"])[0]["model"]
    assert kept == {"source": "text", "sha256": model.about["sha256"]}
    with pytest.raises(BundleError, match=r"by checkpoint 00.*, but demo has .*; put that bundle"):
        ours.TwinlensFunction.create(**{**kept, "sha256": "00"})


def test_an_image_that_lancedb_cannot_embed_is_told_at_once() -> None:
    function = integration("lancedb", library="lancedb").TwinlensFunction.create()
    with pytest.raises(Exception, match=r"retries \(0\) exceeded.*ImageError.*image 1: "):
        function.compute_source_embeddings_with_retry([PATHS[0], b"no image"])
