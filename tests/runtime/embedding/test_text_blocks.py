"""Streams of texts: blocks of the rows of `embed_texts`, one bad text costing no other."""

import logging
from collections.abc import Iterator

import numpy as np
import pytest

from twinlens import Model, TextError

TEXTS = [f"a dog, number {number % 40}" for number in range(70)]


def test_blocks_have_the_rows_of_one_call(model: Model) -> None:
    blocks = list(model.stream_texts(iter(TEXTS), block=32))
    assert [len(block) for block in blocks] == [32, 32, 6]
    assert [name for block in blocks for name in block.names] == TEXTS
    assert np.concatenate([block.indices for block in blocks]).tolist() == list(range(70))
    rows = np.concatenate([block.rows for block in blocks])
    np.testing.assert_array_equal(rows, model.embed_texts(TEXTS))


@pytest.mark.parametrize("on_error", ["nan", "skip"])
def test_a_bad_text_is_alone_and_has_its_number(
    model: Model, on_error: str, caplog: pytest.LogCaptureFixture
) -> None:
    texts: list[str] = [*TEXTS[:40], "\ud800", *TEXTS[41:50], "dog " * 90, *TEXTS[51:60]]
    blocks = list(
        model.stream_texts(texts, block=32, on_cut="error", on_error=on_error)  # type: ignore[arg-type]
    )
    lost = [one for block in blocks for one in block.lost]
    assert [(one.index, one.name) for one in lost] == [(40, "\ud800"), (50, "dog " * 90)]
    assert lost[0].reason.startswith("text 40 holds a lone surrogate")
    assert lost[1].reason.startswith("text 50 has 92 tokens, wanted at most 32")
    assert lost[1].reason in caplog.text
    good = [number for number in range(60) if number not in (40, 50)]
    rows = np.concatenate([block.rows for block in blocks])
    assert len(rows) == (60 if on_error == "nan" else 58)
    assert np.isnan(rows[:, 0]).sum() == (2 if on_error == "nan" else 0)
    np.testing.assert_array_equal(
        rows[~np.isnan(rows[:, 0])], model.embed_texts([texts[number] for number in good])
    )


def test_a_bad_text_is_raised_after_the_blocks_before_it(model: Model) -> None:
    found = model.stream_texts([*TEXTS[:40], "\ud800"], block=32)
    assert len(next(found)) == 32
    with pytest.raises(TextError, match="text 40 holds a lone surrogate"):
        next(found)


def test_a_source_that_fails_gives_its_texts_first(model: Model) -> None:
    def failing() -> Iterator[str]:
        yield from TEXTS[:40]
        raise OSError("the disk went away")

    found = model.stream_texts(failing(), block=32)
    assert [len(next(found)), len(next(found))] == [32, 8]
    with pytest.raises(OSError, match="the disk went away"):
        next(found)


def test_a_cut_text_is_told_by_its_number_in_the_stream(
    model: Model, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    list(model.stream_texts([*TEXTS[:40], "dog " * 90], block=32))
    assert "1 of 9 texts are cut to 32 tokens: text 40 has 92" in caplog.text
