"""Augmentations: further views of an image, further wordings of a caption."""

import numpy as np

from twinlens_export.verification.augmentations import views, wordings


def test_views_show_every_picture_as_it_is_first() -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3)).astype(np.uint8)
    seen = views(images)
    assert seen.shape == (12, 8, 8, 3)
    assert seen.dtype == np.uint8
    np.testing.assert_array_equal(seen[:3], images)
    np.testing.assert_array_equal(seen[3:6, :, ::-1], images)
    np.testing.assert_array_equal(seen[6:9], images // 2)
    middle = [1, 1, 2, 3, 4, 4, 5, 6]
    np.testing.assert_array_equal(seen[9:], images[:, middle][:, :, middle])


def test_wordings_say_every_caption_as_it_is_first() -> None:
    told = wordings(["a dog", "a bus", "snow"])
    assert told[:3] == ["a dog", "a bus", "snow"]
    assert told[3] == "a photo of a a dog."
    assert told[8] == "snow beside a dog"
    assert len(set(told)) == 12
