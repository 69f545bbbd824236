"""The encoding of captions."""

import pytest
from tokenizers import Tokenizer

from twinlens_demo.training.batches import encode
from twinlens_demo.training.tokenizer import EOS


@pytest.mark.parametrize("length", [3, 8, 32])
def test_every_encoded_caption_ends_with_the_end_token(
    clip_tokenizer: Tokenizer, length: int
) -> None:
    end = clip_tokenizer.token_to_id(EOS)
    texts = ["", "dog", "the dog and the dog " * 9]
    ids = encode(clip_tokenizer, texts, length)
    assert ids.shape == (3, length)
    assert (ids[:, -1] == end).all()
    for row, text in zip(ids.tolist(), texts, strict=True):
        whole = clip_tokenizer.encode(text).ids
        kept = row.index(end)
        assert row[:kept] == whole[: min(len(whole) - 1, length - 1)]
        assert set(row[kept:]) == {end}
