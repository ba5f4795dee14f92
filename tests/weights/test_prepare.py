"""Protects how a picture becomes what a network sees: whole, upright, not inverted, centred as MNIST is."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import zoo.prepare as preparing
from datamodules import MNIST
from zoo.prepare import centre_of_mass, flatten, open_picture, prepare
from zoo.weights.loading import load

ROOT = Path(__file__).parents[2]
GREY, COLOUR = (1, 28, 28), (3, 32, 32)


@pytest.fixture
def drawing() -> Image.Image:
    """A seven as a person draws it: dark on paper, thick, far from the middle."""
    pixels = np.full((300, 400), 235, np.uint8)
    pixels[60:80, 220:320] = 30
    for i in range(140):
        pixels[80 + i, 300 - i // 2 : 320 - i // 2] = 30
    return Image.fromarray(pixels)


@pytest.mark.parametrize("way", ["photo", "digits"])
def test_a_picture_of_the_network_s_size_is_taken_as_it_is(way: str) -> None:
    pixels = np.zeros((28, 28), np.uint8)
    pixels[5:20, 3:9] = np.random.default_rng(0).integers(0, 256, (15, 6))
    assert (prepare(Image.fromarray(pixels), GREY, way)[0] == pixels).all()


def test_handwriting_comes_out_as_mnist_has_it(drawing: Image.Image) -> None:
    pixels = prepare(drawing, GREY, "digits")[0]
    rows, columns = np.nonzero(pixels)
    assert max(np.ptp(rows), np.ptp(columns)) + 1 == 20
    assert np.abs(np.array(centre_of_mass(pixels.astype(float))) - 14).max() <= 0.5
    assert (pixels[0] == 0).all()
    assert pixels.max() == 255


def test_ink_may_be_darker_or_brighter_than_its_ground(drawing: Image.Image) -> None:
    chalk = Image.fromarray(255 - np.asarray(drawing))
    assert (prepare(chalk, GREY, "digits") == prepare(drawing, GREY, "digits")).all()


def test_paper_may_be_lit_from_one_side(drawing: Image.Image) -> None:
    light = np.linspace(1, 0.5, 400)[None] * np.linspace(1, 0.8, 300)[:, None]
    lit = Image.fromarray((np.asarray(drawing) * light).round().astype(np.uint8))
    first, second = (prepare(each, GREY, "digits").astype(int) for each in (drawing, lit))
    assert np.abs(second - first).mean() < 12  # the ink on the dark side is fainter
    assert (second[:, [0, -1]] == 0).all()


def test_a_digit_may_be_asked_of_a_network_of_colours(drawing: Image.Image) -> None:
    pixels = prepare(drawing, COLOUR, "digits")
    assert pixels.shape == COLOUR
    assert (pixels == prepare(drawing.convert("RGB"), COLOUR, "digits")).all()
    assert (pixels == pixels[:1]).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (30000, 2)])
@pytest.mark.parametrize("way", ["photo", "digits"])
def test_a_picture_may_have_any_shape(size: tuple[int, int], way: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, size, np.uint8)
    try:
        assert prepare(Image.fromarray(noise), COLOUR, way).shape == COLOUR
    except ValueError as error:
        assert "found an even grey" in str(error)


def test_the_page_says_what_ways_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    import preparation

    page = (ROOT / "docs/weights.md").read_text()
    assert "\n".join(preparation.table("mnist_lenet")) in page


def test_digits_are_read_from_paper(real_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As often as when they are asked as they are, be the light as it may; not so by the ways that were not taken."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    import preparation

    data = MNIST(root=str(real_data))
    data.setup("test")
    images, labels = (array[:100].numpy() for array in data.part("test"))
    model = load("mnist_lenet")

    def right(picture: str, way: str) -> int:
        return int((model(preparation.read(images[:, 0], picture, way)).argmax(1) == labels).sum())

    first, *_, worst = preparation.PICTURES
    assert right(worst, "digits") >= right(first, "digits") - 2
    assert right(worst, "photo") < 30
    assert right(worst, "one grey") < 50


def test_where_it_was_drawn_and_how_large_changes_little(drawing: Image.Image) -> None:
    first = prepare(drawing, GREY, "digits").astype(int)
    moved = Image.new("L", (700, 500), 235)
    moved.paste(drawing, (290, 0))
    assert np.abs(prepare(moved, GREY, "digits") - first).max() <= 1
    larger = drawing.resize((800, 600), Image.Resampling.BICUBIC)
    assert np.abs(prepare(larger, GREY, "digits") - first).mean() < 3


def test_an_empty_sheet_is_no_digit() -> None:
    with pytest.raises(ValueError, match=r"ink in the picture: .* found an even grey\. Try: --prepare photo"):
        prepare(Image.new("L", (100, 100), 200), GREY, "digits")


def test_a_photograph_keeps_its_aspect_on_the_colour_of_its_edge() -> None:
    image = Image.new("RGB", (320, 160), (10, 200, 30))
    image.paste((250, 0, 0), (100, 40, 220, 120))
    pixels = prepare(image, COLOUR)
    assert pixels.shape == COLOUR
    assert pixels.dtype == np.uint8
    assert (pixels[:, [0, -1]] == np.array([10, 200, 30])[:, None, None]).all()
    assert (pixels[:, 16, 16] == [250, 0, 0]).all()
    inside = np.nonzero(pixels[0, 16] > 128)[0]
    assert abs(len(inside) / 32 - 120 / 320) < 0.07


def test_a_thin_line_does_not_vanish() -> None:
    pixels = np.zeros((280, 280), np.uint8)
    pixels[:, 143:146] = 255  # lies between the pixels that every tenth would be
    assert prepare(Image.fromarray(pixels), GREY)[0].max(1).min() > 20


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (Image.fromarray(np.array([[0, 257, 65535]], np.uint16)), [[0, 1, 255]]),
        (Image.fromarray(np.array([[False, True]])), [[0, 255]]),
        (Image.new("LA", (1, 1), (0, 0)), [[255]]),
        (Image.new("RGBA", (1, 1), (0, 0, 0, 0)), [[[255, 255, 255]]]),
        (Image.new("CMYK", (1, 1), (0, 0, 0, 255)), [[[0, 0, 0]]]),
        (Image.new("RGB", (1, 1), (1, 2, 3)), [[[1, 2, 3]]]),
    ],
    ids=["16 bits", "1 bit", "transparent grey", "transparent", "CMYK", "RGB"],
)
def test_images_of_all_modes_look_as_in_a_viewer(image: Image.Image, expected: list) -> None:
    assert np.asarray(flatten(image)).tolist() == expected


def test_a_palette_s_transparent_colour_is_white(tmp_path: Path) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putpixel((1, 0), 1)
    image.save(tmp_path / "a.png", transparency=0)
    assert np.asarray(open_picture(tmp_path / "a.png")).tolist() == [[[255, 255, 255], [200, 100, 50]]]


def test_a_camera_s_turn_is_applied(tmp_path: Path) -> None:
    image = Image.fromarray(np.array([[0, 50], [100, 250], [0, 0]], np.uint8))
    exif = image.getexif()
    exif[0x0112] = 6  # turned a quarter
    image.save(tmp_path / "a.png", exif=exif)
    assert open_picture(tmp_path / "a.png").size == (3, 2)


def test_what_is_no_single_picture_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "text.png").write_text("none")
    (tmp_path / "empty.png").touch()
    noise = np.random.default_rng(0).integers(0, 256, (10, 20), np.uint8)
    Image.fromarray(noise).save(tmp_path / "good.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "good.png").read_bytes()[:150])
    frames = [Image.new("L", (4, 4), grey) for grey in (0, 255)]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    Image.fromarray(np.zeros((2, 2), np.float32)).save(tmp_path / "float.tif")
    for name, said in (
        ("text.png", "expected one that Pillow can read"),
        ("empty.png", "expected 1 to .* bytes, found 0"),
        ("cut.png", "expected a whole file"),
        ("moving.gif", "expected one image, found 2 frames"),
        ("float.tif", "expected pixels of 8 or 16 bits"),
        ("none.png", "expected a file, found none"),
        (".", "found a folder"),
    ):
        with pytest.raises((ValueError, OSError), match=rf"picture in .*{name}: .*{said}|{said}"):
            open_picture(tmp_path / name)
    monkeypatch.setattr(preparing, "MOST_PIXELS", 100)
    with pytest.raises(ValueError, match="at most 100 pixels, found 20 × 10"):
        open_picture(tmp_path / "good.png")


def test_a_telephone_s_picture_is_its_first(tmp_path: Path) -> None:
    first, second = (Image.new("L", (40, 40), grey) for grey in (0, 255))
    first.save(tmp_path / "a.jpg", format="MPO", save_all=True, append_images=[second])
    assert np.asarray(open_picture(tmp_path / "a.jpg")).max() == 0


def test_16_bits_are_told_from_32_by_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.pgm").write_bytes(b"P5 3 1 65535\n" + np.array([0, 257, 65535], ">u2").tobytes())
    assert np.asarray(open_picture(tmp_path / "a.pgm")).tolist() == [[0, 1, 255]]
    Image.fromarray(np.array([[0, 257, 65535]], np.int32)).save(tmp_path / "a.tif")
    with pytest.raises(ValueError, match="found whole numbers of 32 bits"):
        open_picture(tmp_path / "a.tif")


@pytest.mark.filterwarnings("error")
def test_exif_that_cannot_be_read_is_left(drawing: Image.Image, tmp_path: Path) -> None:
    drawing.save(tmp_path / "a.jpg", exif=b"Exif\0\0II*\0" + b"\xff" * 20)
    assert open_picture(tmp_path / "a.jpg").size == drawing.size


@pytest.mark.filterwarnings("error")
def test_specks_are_no_digit() -> None:
    pixels = np.full((1000, 1000), 255, np.uint8)
    pixels[2, 2] = pixels[990, 990] = 0
    with pytest.raises(ValueError, match=r"ink in the picture: expected strokes, found a few specks .* photo"):
        prepare(Image.fromarray(pixels), GREY, "digits")
