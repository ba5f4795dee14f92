"""Says what model.onnx takes pictures for: python predict.py PICTURE … needs onnxruntime, numpy and pillow."""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

CARD = json.loads(Path(__file__).with_name("card.json").read_text(encoding="utf-8"))
CHANNELS, HEIGHT, WIDTH = CARD["in_shape"]


def opened(path: str) -> Image.Image:
    """A picture as L or RGB: turned as its EXIF says, on white where it is transparent."""
    image = ImageOps.exif_transpose(Image.open(path))
    if image.mode in ("I", "F") or getattr(image, "n_frames", 1) > 1:
        sys.exit(f"error: picture in {path}: expected one, of 8 or 16 bits. Try: save it as an 8-bit PNG")
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image).astype(np.uint16) // 257).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        grey, white = image.mode in ("LA", "La", "L", "1"), Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA")).convert("L" if grey else "RGB")
    return image if image.mode in ("1", "L", "RGB") else image.convert("RGB")


def photo(image: Image.Image, edge: tuple[int, ...]) -> Image.Image:
    """The whole picture, its aspect kept; beside it the colour of its edge."""
    scale = min(WIDTH / image.width, HEIGHT / image.height)
    inner = max(1, round(scale * image.width)), max(1, round(scale * image.height))
    canvas = Image.new(image.mode, (WIDTH, HEIGHT), edge[0] if CHANNELS == 1 else edge)
    canvas.paste(image.resize(inner, Image.Resampling.LANCZOS), ((WIDTH - inner[0]) // 2, (HEIGHT - inner[1]) // 2))
    return image if image.size == (WIDTH, HEIGHT) else canvas


def digits(image: Image.Image, edge: tuple[int, ...]) -> Image.Image | np.ndarray:
    """Ink bright on black, the longer side 20 of 28 pixels, its centre of mass in the middle."""
    if image.size == (WIDTH, HEIGHT) and edge[0] < 64:
        return image
    full, differ = np.array([HEIGHT, WIDTH]), np.asarray(image).astype(np.int16) - edge[0]
    ink = max(differ.clip(0), (-differ).clip(0), key=np.sum)
    if ink.max() < 25:
        sys.exit("error: picture: expected ink on another colour, found an even grey")
    rows, columns = np.nonzero(ink > 0.3 * ink.max())
    box = ink[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    sides = [max(1, round(20 / 28 * min(HEIGHT, WIDTH) / max(box.shape) * side)) for side in box.shape]
    resized = Image.fromarray((box * (255 / box.max())).astype(np.uint8)).resize(sides[::-1], Image.Resampling.LANCZOS)
    small = np.asarray(resized) * (255 / np.asarray(resized).max())
    middle = [small.sum(1 - a) @ np.arange(small.shape[a]) / small.sum() for a in (0, 1)]
    y, x = np.clip(np.round(full / 2 - middle), 0, full - small.shape).astype(int)
    return np.pad(small.round().astype(np.uint8), [(y, HEIGHT - y - len(small)), (x, WIDTH - x - len(small[0]))])


def prepared(path: str) -> np.ndarray:
    """A picture as the network was trained: uint8 (H, W, C)."""
    image = opened(path).convert("L" if CHANNELS == 1 else "RGB")
    pixels = np.asarray(image)
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    edge = tuple(int(value) for value in np.atleast_1d(np.median(border, axis=0)))
    return np.asarray(globals()[CARD["prepare"]](image, edge)).reshape(HEIGHT, WIDTH, CHANNELS)


if __name__ == "__main__":
    session = onnxruntime.InferenceSession(Path(__file__).with_name("model.onnx"))
    for path in sys.argv[1:]:
        [probabilities] = session.run(["probabilities"], {"images": prepared(path)[None]})[0]
        print(path, *(f"{CARD['classes'][i]} {probabilities[i]:.1%}" for i in np.argsort(-probabilities)[:3]), sep="  ")
