"""Protects the letters that are drawn from fonts: the same fonts draw the same, each letter as often, in the middle."""

from pathlib import Path

import letters
import matplotlib
import numpy as np
import pytest

from zoo.errors import UsageError

FONTS = Path(matplotlib.get_data_path()) / "fonts/ttf"  # some of DejaVu come with it


def test_letters_are_drawn_alike_and_each_as_often():
    fonts = letters.fonts_of(["DejaVuSans"], [FONTS])
    images, labels = letters.draw(fonts, 3, np.random.default_rng(0))
    again, _ = letters.draw(fonts, 3, np.random.default_rng(0))
    assert images.shape == (78, 28, 28)
    assert images.dtype == np.uint8
    assert (np.bincount(labels) == 3).all()
    assert (images == again).all()


def test_letters_lie_in_the_middle_white_on_black():
    fonts = letters.fonts_of(["DejaVuSans.ttf"], [FONTS])
    images, _ = letters.draw(fonts, 4, np.random.default_rng(1))
    shares = images.astype(float).clip(60) - 60  # without the noise
    places = np.arange(28)
    for axis in (1, 2):
        middle = (shares.sum(axis=3 - axis) * places).sum(1) / shares.sum(axis=(1, 2))
        assert np.abs(middle - 13.5).max() < 8
    assert images[:, [0, -1]].mean() < 20
    assert images.max(axis=(1, 2)).min() > 90


def test_fonts_that_are_not_there_are_named_with_their_packages():
    with pytest.raises(UsageError, match=r"expected Free, found none of that name\. Try: apt-get install fonts-dejavu"):
        letters.fonts_of(["Free"], [FONTS])
