# Pillow 13.0.0 (11.1.0 and 12.0.0 too), numpy 2.4.6: what surprises: a 16-bit grey TIFF in big-endian order ("MM", as ImageJ
#   writes them) is opened rightly, as mode I;16B, and resized wrongly: filters read the two bytes of a pixel the other way round.
#   The same pixels in little-endian order (I;16) are right. Turns, crops and mode F are right; so was 10.4.0, which took NEAREST.
# Seen: a ramp from 0 to 65,535, brought to 8 x 8: rows begin with 3833, 28225, 52979; the other with 63, 64068, 62538. No word.
# Whom it hurts: whoever shrinks microscope or X-ray pictures before training: noise is learnt. Cure: image.convert("F") first.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PY'
import io
import struct

import numpy as np
import PIL
from PIL import Image

ramp = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)


def tiff(order):
    """An uncompressed grey TIFF of 16 bits: header, pixels in one strip, nine tags."""
    pixels = ramp.astype(f"{order}u2").tobytes()
    short, long = 3, 4
    tags = ((256, long, 64), (257, long, 64), (258, short, 16), (259, short, 1), (262, short, 1),
            (273, long, 8), (277, short, 1), (278, long, 64), (279, long, len(pixels)))
    head = (b"MM" if order == ">" else b"II") + struct.pack(f"{order}HI", 42, 8 + len(pixels))
    made = [struct.pack(f"{order}HHI", tag, kind, 1)
            + struct.pack(f"{order}HH" if kind == short else f"{order}I", *((value, 0) if kind == short else (value,)))
            for tag, kind, value in tags]
    return head + pixels + struct.pack(f"{order}H", len(tags)) + b"".join(made) + struct.pack("I", 0)


for order in "<>":
    image = Image.open(io.BytesIO(tiff(order)))
    same = np.array_equal(np.asarray(image), ramp)
    small = np.asarray(image.resize((8, 8)))[::3, 0].tolist()
    exact = np.asarray(image.convert("F").resize((8, 8)))[::3, 0].round().astype(int).tolist()
    print(f"{PIL.__version__} {image.mode}: opened rightly {same}, resized {small}, as F {exact}")
PY
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check pillow==13.0.0 numpy==2.4.6
"$folder/env/bin/python" "$folder/run.py" > "$folder/out"; cat "$folder/out"
printf '%s\n' '13.0.0 I;16: opened rightly True, resized [3833, 28225, 52979], as F [3833, 28225, 52979]' \
    '13.0.0 I;16B: opened rightly True, resized [63, 64068, 62538], as F [3833, 28225, 52979]' |
    diff - "$folder/out" || { echo "changed"; exit 1; }
