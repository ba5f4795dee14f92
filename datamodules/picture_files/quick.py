"""The plainest PNG and JPEG files, by Pillow's own decoders, without what Pillow does around them.

    content of a file -> the picture that `zoo.prepare.open_picture` makes of it; None where anything is unusual

For a picture of 28 × 28 most of the time goes into that, not into pixels. Plain is what has nothing but its pixels:
grey or RGB of 8 bits, no EXIF, no transparency. Whatever is doubtful, damaged files first of all, goes the long way,
which has the messages.
"""

import struct
import zlib

from PIL import Image

from zoo.prepare import MOST_PIXELS

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
PLAIN_CHUNKS = (b"pHYs", b"sRGB", b"gAMA", b"cHRM")  # that mean nothing for the pixels
MODES_OF_PNG = {0: "L", 2: "RGB"}  # by the type of colour in its header
MODES_OF_JPEG = {1: "L", 3: "RGB"}  # by the number of components
FRAMES = (0xC0, 0xC1, 0xC2)  # markers of a JPEG's header: baseline, extended, progressive
# tables, restarts, comments; and the application's own: only JFIF, since Exif and others may turn or add to the picture
SEGMENTS = (0xC4, 0xDB, 0xDD, 0xE0, 0xFE)
SCAN = 0xDA


def quick(content: bytes, most: int = MOST_PIXELS) -> Image.Image | None:
    """The picture in a plain file, mode L or RGB, of so many pixels at most; None for any other."""
    if content.startswith(PNG):
        return quick_png(content, most)
    if content.startswith(b"\xff\xd8\xff"):
        return quick_jpeg(content, most)
    return None


def quick_png(content: bytes, most: int) -> Image.Image | None:
    """The picture in a PNG file that is nothing but header, pixels and end."""
    if len(content) < 45:
        return None
    width, height, depth, colours, compression, filters, interlaced = struct.unpack_from(">IIBBBBB", content, 16)
    mode = MODES_OF_PNG.get(colours)
    if mode is None or depth != 8 or compression or filters or interlaced or not 0 < width * height <= most:
        return None
    pixels, place, kinds = [], 8, []
    while place + 12 <= len(content):
        (length,) = struct.unpack_from(">I", content, place)
        kind, start = content[place + 4 : place + 8], place + 8
        end = start + length
        if kind == b"IDAT":
            pixels.append(content[start:end])
        elif content[end : end + 4] != struct.pack(">I", zlib.crc32(content[place + 4 : end])):
            return None
        kinds.append(kind)
        place = end + 4
        if kind == b"IEND":
            break
    middle = [kind for kind in kinds[1:-1] if kind not in PLAIN_CHUNKS]
    if not pixels or kinds[-1] != b"IEND" or len(middle) != len(pixels):
        return None
    if kinds[-1 - len(pixels) : -1] != middle:  # the pixels are in one piece, and last
        return None
    return decoded(mode, (width, height), b"".join(pixels), "zip", mode, 0)


def quick_jpeg(content: bytes, most: int) -> Image.Image | None:
    """The picture in a JPEG file without anything that an application has put in."""
    place, size, mode = 2, (0, 0), None
    while place + 4 <= len(content):
        mark, marker, length = struct.unpack_from(">BBH", content, place)
        if mark != 0xFF or length < 2:
            return None
        if marker == SCAN:
            break
        if marker in FRAMES:
            if mode is not None or length < 8 or place + 10 > len(content):
                return None
            depth, height, width, components = struct.unpack_from(">BHHB", content, place + 4)
            size, mode = (width, height), MODES_OF_JPEG.get(components) if depth == 8 else None
            if mode is None:
                return None
        elif marker not in SEGMENTS:
            return None
        place += 2 + length
    if mode is None or not 0 < size[0] * size[1] <= most:
        return None
    return decoded(mode, size, content, "jpeg", mode, "")


def decoded(mode: str, size: tuple[int, int], content: bytes, decoder: str, *settings: object) -> Image.Image | None:
    """What Pillow's decoder makes of it; None if it has not had all it needs."""
    try:
        return Image.frombytes(mode, size, content, decoder, *settings)
    except (ValueError, OSError):  # too short, or damaged
        return None
