"""Protects bundles: they run alone, prepare each picture as the zoo does, and refuse in one line what they cannot."""

import json
import runpy
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from cli import main
from tiny_weights import tiny_weights
from zoo.prepare import open_picture, prepare
from zoo.weights.export.forms import predict_script
from zoo.weights.loading import load

CASES = [("photo", (1, 28, 28)), ("photo", (3, 32, 20)), ("digits", (1, 28, 28)), ("digits", (3, 20, 31))]
SIDES = (1, 2, 3, 8, 20, 28, 31, 32, 64, 300, 1200)
MADE = 100  # pictures; 10,000 others were the same
GREY, BLEND, DEEP = ("1", "L", "LA", "P"), ("RGB", "RGBA", "CMYK", "YCbCr"), ("I;16", "I;16B", "PGM", "I", "F")
LOSSY = "YCbCr"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a card of a network that sees its pixels in another order."""
    return tiny_weights(
        tmp_path_factory.mktemp("weights"), pixels=[*range(63, -1, -1)], classes=["cat", "ü, dog", "=1"]
    )


@pytest.fixture(scope="module")
def bundle(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle")  # an empty folder does no harm
    main(["export", str(weights), "--format", "bundle", "--out", str(folder)])
    return folder


def drawn(path: Path, mode: str = "L", size: tuple[int, int] = (120, 90)) -> Path:
    """A picture of a seven, dark on bright paper."""
    image = Image.new("L", size, 225)
    points = [(0.3, 0.2), (0.65, 0.22), (0.45, 0.8)]
    ImageDraw.Draw(image).line([(x * size[0], y * size[1]) for x, y in points], fill=25, width=max(1, size[0] // 16))
    image.convert(mode).save(path)
    return path


def test_a_bundle_runs_alone(bundle: Path, weights: Path, tmp_path: Path) -> None:
    assert sorted(path.name for path in bundle.iterdir()) == ["README.md", "card.json", "model.onnx", "predict.py"]
    assert all(len(predict_script(way).splitlines()) < 60 for way in ("photo", "digits"))
    moved = Path(shutil.copytree(bundle, tmp_path / "elsewhere"))
    pictures = [drawn(tmp_path / "seven.png"), drawn(tmp_path / "colours.png", mode="RGB", size=(300, 200))]
    code = (
        "import runpy, sys; sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__');"
        "print([name for name in ('torch', 'zoo', 'onnx') if name in sys.modules])"
    )
    words = [sys.executable, "-c", code, str(moved / "predict.py"), *map(str, pictures)]
    done = subprocess.run(words, capture_output=True, encoding="utf-8", timeout=60, check=True, cwd=tmp_path)
    *lines, imported = done.stdout.splitlines()
    assert imported == "[]"
    model = load(weights)
    for picture, line, row in zip(pictures, lines, model(pictures), strict=True):
        best = [f"{model.classes[i]} {row[i]:.1%}" for i in np.argsort(-row)[:3]]
        assert line == "  ".join([str(picture), *best])


def test_what_a_bundle_cannot_read_is_told_in_one_line(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("none")
    good = drawn(tmp_path / "good.png")
    words = [sys.executable, str(bundle / "predict.py")]
    for name in ("text.png", "missing.png"):
        done = subprocess.run([*words, str(good), str(tmp_path / name)], capture_output=True, text=True, timeout=60)
        assert (done.returncode, len(done.stdout.splitlines())) == (1, 1)
        [line] = done.stderr.splitlines()
        assert line.startswith(f"error: picture in {tmp_path / name}: ")
    none = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert (none.returncode, "python predict.py PICTURE" in none.stderr) == (1, True)


def scene(draw: np.random.Generator) -> np.ndarray:
    """Grey values (H, W) uint8 of any size: noise, strokes, a shadow, specks, one grey, or half black, half white."""
    height, width = (int(draw.choice(SIDES)) for _ in "hw")
    kind = draw.choice(["noise", "strokes", "shadow", "specks", "even", "halves"])
    if kind == "noise":
        return draw.integers(0, 256, (height, width), np.uint8)
    grey = np.full((height, width), draw.choice([0, 60, 200, 255]), np.uint8)
    if kind == "halves":
        grey[:], grey[:, width // 2 :] = 0, 255
    for _ in range({"strokes": 3, "shadow": 3, "specks": 4}.get(str(kind), 0)):
        y, x = draw.integers(height), draw.integers(width)
        tall, wide = (1, 1) if kind == "specks" else (max(1, height // 8), max(1, width // 2))
        grey[y : y + tall, x : x + wide] = draw.integers(0, 256)
    return (grey * np.linspace(0.4, 1, width)).astype(np.uint8) if kind == "shadow" else grey


def picture(draw: np.random.Generator, stem: Path) -> Path:
    """A file of a scene, in any mode, perhaps transparent or turned."""
    grey, mode = scene(draw), str(draw.choice([*GREY, *BLEND, *DEEP]))
    size = grey.shape[1], grey.shape[0]
    settings: dict[str, Any] = {}
    if mode == "PGM":
        path = stem.with_suffix(".pgm")
        path.write_bytes(b"P5 %d %d 65535\n" % size + (grey * np.uint16(257)).astype(">u2").tobytes())
        return path
    if mode in ("I", "F"):
        image = Image.fromarray(grey.astype(np.int32 if mode == "I" else np.float32))
    elif mode in DEEP:
        image = Image.frombytes(mode, size, (grey * np.uint16(257)).astype(">u2" if "B" in mode else "<u2").tobytes())
    elif mode in BLEND and draw.random() < 0.5:
        image = Image.fromarray(draw.integers(0, 256, (*grey.shape, 3), np.uint8)).convert(mode)
    else:
        image = Image.fromarray(grey).convert(mode)
    if "A" in mode:
        image.putalpha(Image.fromarray(draw.integers(0, 256, grey.shape, np.uint8)))
    elif mode in ("L", "P", "RGB") and draw.random() < 0.5:
        settings["transparency"] = (int(grey[0, 0]),) * 3 if mode == "RGB" else int(grey[0, 0])
    exif = Image.Exif()
    exif[0x0112] = int(draw.integers(1, 9))
    path = stem.with_suffix(".tif" if mode in ("CMYK", "I;16B", "I", "F") else ".jpg" if mode == LOSSY else ".png")
    image.save(path, **settings) if mode in ("I;16", "I;16B") else image.save(path, exif=exif, **settings)
    return path


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_a_bundle_prepares_pictures_as_the_zoo_does(tmp_path: Path) -> None:
    ways = {}
    for way, shape in CASES:
        (tmp_path / "card.json").write_text(json.dumps({"in_shape": shape, "prepare": way}))
        (tmp_path / "predict.py").write_text(predict_script(way))
        ways[way, shape] = runpy.run_path(str(tmp_path / "predict.py"))["prepared"]
    draw, seen = np.random.default_rng(0), Counter[str]()
    for i in range(MADE):
        path = picture(draw, tmp_path / f"{i}")
        for (way, shape), prepared in ways.items():
            expected = answer(lambda: prepare(open_picture(path), shape, way))  # noqa: B023
            found = answer(lambda: prepared(str(path)).transpose(2, 0, 1))  # noqa: B023
            assert type(found) is type(expected) is str or np.array_equal(found, expected), (path, way, shape, found)
            seen["refused" if isinstance(found, str) else "done"] += 1
    assert min(seen["refused"], seen["done"]) > MADE / 2


def answer(ask: Callable[[], np.ndarray]) -> np.ndarray | str:
    """What came of it: pixels, or why it was refused."""
    try:
        return ask()
    except ValueError as error:
        return str(error)
