import pytest
from PIL import Image
from sklearn.datasets import load_sample_images


@pytest.fixture(scope="session")
def photos() -> list[Image.Image]:
    return [Image.fromarray(photo) for photo in load_sample_images().images]


@pytest.fixture(scope="session")
def photo(photos: list[Image.Image]) -> Image.Image:
    return photos[0].crop((100, 20, 500, 327))
