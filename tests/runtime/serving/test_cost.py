"""Costs: learned from runs whatever they were at first, and sizes read from headers."""

import base64
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from virtual_engine import request_of

from twinlens.images.limits import LIMITS
from twinlens.serving.cost import (
    Costs,
    LinearCost,
    Timed,
    bytes_of_image,
    header_of_image,
)
from twinlens.serving.header_pixels import header_of, header_of_base64
from twinlens.serving.work import Base64Image, ImageHeader, QueueName, Run


@given(
    st.floats(0.05, 20),
    st.lists(st.integers(1, 400), min_size=120, max_size=120),
    st.integers(1, 3),
)
def test_a_cost_follows_the_machine(scale: float, sizes: list[int], calls: int) -> None:
    cost = LinearCost(fixed_s=2e-3, unit_s=1e-4)
    for units in sizes:
        cost.learn(scale * (calls * 2e-3 + units * 1e-4), units, calls=calls)
    assert cost.seconds(50) == pytest.approx(scale * 7e-3, rel=0.02)
    assert cost.seconds(50, calls=3) == pytest.approx(scale * 11e-3, rel=0.02)


def test_one_run_beside_a_busy_neighbour_moves_a_cost_by_a_third_at_most() -> None:
    cost = LinearCost(fixed_s=1e-3, unit_s=1e-4)
    before = cost.seconds(10)
    cost.learn(1.0, 10)
    assert before < cost.seconds(10) <= 1.3 * before * (1 + 1e-9)
    cost.learn(0.0, 10)
    assert cost.seconds(10) > before


@given(st.floats(1e-4, 1), st.floats(0, 10), st.integers(2, 8), st.integers(1, 77))
def test_two_calls_make_a_line(one_s: float, ratio: float, several: int, units: int) -> None:
    timed = Timed(one_s=one_s, several_s=one_s * ratio, several=several)
    cost = timed.cost(units)
    assert cost.seconds(units) == pytest.approx(one_s)
    assert cost.fixed_s >= 0
    assert cost.unit_s * units >= one_s * 0.0999
    if one_s * (1 + 0.1 * (several - 1)) <= timed.several_s <= one_s * several:
        assert cost.seconds(units * several) == pytest.approx(timed.several_s)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP"])
@pytest.mark.parametrize("size", [(1, 1), (300, 7), (640, 480)])
def test_a_header_tells_the_pixels(kind: str, size: tuple[int, int]) -> None:
    for options in ({}, {"lossless": True}, {"exif": b"Exif\0\0" + bytes(40_000)}):
        file = BytesIO()
        Image.new("RGB", size, "red").save(file, kind, **options)
        content = file.getvalue()
        wanted = ImageHeader(kind, size[0] * size[1])
        assert header_of(content) == header_of(memoryview(content)) == wanted
        text = base64.b64encode(content).decode()
        for form in (text, f"data:image/x;base64,{text}"):
            assert header_of_base64(form) == header_of_image(Base64Image(form)) == wanted


@given(
    st.sampled_from(
        [b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"RIFF0000WEBPVP8 ", b"GIF89a", b"BM", b""]
    ),
    st.binary(max_size=80),
)
def test_no_bytes_are_too_odd_for_a_header(start: bytes, rest: bytes) -> None:
    for content in (start + rest, start + rest + b"\xff\xff" * 1000, start + b"\xff\xe0\0\2" * 999):
        found = header_of(content)
        assert found is None or found.pixels >= 0
        guessed = header_of_image(content)
        assert guessed == (found or ImageHeader("other", 8 * len(content)))
        assert header_of_base64(base64.b64encode(content).decode()) == found
    header_of_base64(rest.decode("latin-1"))


def test_sizes_of_images_that_are_no_bytes() -> None:
    pixels = np.zeros((3, 5, 3), dtype=np.uint8)
    picture = Image.fromarray(pixels)
    for image, n_bytes, header in (
        (pixels, 45, ImageHeader("pixels", 15)),
        (picture, 45, ImageHeader("pixels", 15)),
        (b"abc", 3, ImageHeader("other", 24)),
        (memoryview(pixels), 45, None),
        (Base64Image("abcd"), 4, ImageHeader("other", 24)),
        ("a path", 0, None),
    ):
        assert bytes_of_image(image) == n_bytes
        if header or isinstance(image, str):
            assert header_of_image(image) == header


def finished(kind: str, facts: list[dict[str, object]], **run: object) -> Run:
    _, items = request_of([kind] * len(facts), now=0)
    for item, fact in zip(items, facts, strict=True):
        item.is_embedded = True
        for name, value in fact.items():
            setattr(item, name, value)
    name = QueueName(kind, "bulk")
    return Run(queue=name, items=items, seconds=1, taken=0, worker=0, is_long=False, **run)


def test_tokens_and_texts_are_learned() -> None:
    costs = Costs()
    assert costs.tokens_of("a" * 100) == 27
    for _ in range(100):
        facts = [{"tokens": 12, "n_bytes": 20}, {"tokens": 22, "n_bytes": 40}]
        costs.learn(finished("text", facts, towers=1, padded=44, tower_s=0.5))
    assert costs.tokens_of("a" * 100) == 52
    assert costs.tokens_of("ä" * 50) == 52
    assert costs.text.seconds(44) == pytest.approx(0.5, rel=0.05)
    assert costs.text_s(10) == pytest.approx(10 * costs.text.unit_s)
    costs.learn(finished("text", [{"tokens": 77, "n_bytes": 999, "truncated": True}], towers=1))
    assert costs.tokens_of("a" * 100_000) == 77


def test_images_are_learned_by_format_and_failures_teach_nothing() -> None:
    costs = Costs()
    header, other = ImageHeader("PNG", 1_000_000), ImageHeader("JPEG", 1_000_000)
    before = costs.image_s(other)
    unread = costs.image_s(None)
    for _ in range(100):
        facts = [{"header": header, "decode_s": 0.2}, {"header": None, "decode_s": 0.1}]
        costs.learn(finished("image", facts, towers=1, tower_s=0.049))
    assert costs.image.seconds(2) == pytest.approx(0.049, rel=0.05)
    assert costs.image_s(header) == pytest.approx(costs.image.unit_s + 0.2, rel=0.05)
    assert costs.image_s(ImageHeader("PNG", 0)) < 0.1
    assert costs.image_s(None) == pytest.approx(costs.image.unit_s + 0.1, rel=0.05)
    assert unread < costs.image_s(None)
    assert costs.image_s(other) == pytest.approx(before, rel=0.1)
    known = costs.image_s(header)
    failed = finished("image", [{"header": header, "decode_s": 9.0, "is_embedded": False}])
    costs.learn(failed)
    costs.learn(finished("image", []))
    assert costs.image_s(header) == known
    mixed = finished(
        "image",
        [
            {"decode_s": 0.2, "header": header},
            {"decode_s": 9.0, "header": header, "is_embedded": 0},
        ],
        towers=1,
        tower_s=costs.image.seconds(1),
    )
    costs.learn(mixed)
    assert costs.image_s(header) == pytest.approx(known, rel=1e-2)


def test_a_header_that_claims_any_number_of_pixels_costs_no_more_than_the_limit() -> None:
    costs, most = Costs(), LIMITS.max_pixels
    for kind in ("JPEG", "PNG", "other"):
        claimed = costs.image_s(ImageHeader(kind, 2**62))
        assert claimed == costs.image_s(ImageHeader(kind, most))
        assert claimed > costs.image_s(ImageHeader(kind, most // 2))
