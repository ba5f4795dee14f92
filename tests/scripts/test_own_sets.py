"""The data sets that people bring: the page says what their rows say, and both forms of a set are the same images."""

from pathlib import Path

import numpy as np
import pytest

import datamodules

ROOT = Path(__file__).parents[2]


@pytest.fixture
def own_sets(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    import own_sets

    return own_sets


def test_the_page_says_what_the_rows_say(own_sets) -> None:
    assert "\n".join(own_sets.table()) in (ROOT / "docs/own-images.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("sizes", [[(28, 28)], [(24, 24), (32, 32), (48, 48)]], ids=["one size", "three sizes"])
def test_a_folder_is_read_as_by_hand(own_sets, tmp_path: Path, sizes: list[tuple[int, int]]) -> None:
    rng = np.random.default_rng(0)
    parts = {
        split: own_sets.Part(
            [rng.integers(0, 256, sizes[i % len(sizes)], np.uint8) for i in range(n)], [f"c{i % 2}" for i in range(n)]
        )
        for split, n in (("train", 24), ("test", 6))
    }
    own_sets.write(tmp_path, "made", own_sets.OwnSet(parts))
    folder = datamodules.Folder(path=str(tmp_path / "made"), root=str(tmp_path))
    arrays = datamodules.Arrays(path=str(tmp_path / "made.npz"))
    for data in (folder, arrays):
        data.setup("fit")
    assert folder.identity()["arrays"] == arrays.identity()["arrays"]
    assert folder.identity()["splits"] == arrays.identity()["splits"]
