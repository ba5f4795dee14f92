# Pillow 13.0.0 (10.4.0 to 12.0.0 too), numpy 2.4.6: what surprises: a 16-bit grey picture (mode I;16, what 16-bit PNG give) that
#   is turned, sheared or warped with BILINEAR or BICUBIC comes back as noise: the low bytes are interpolated, as pixels from 0 to
#   255. With NEAREST it is right, and so is resize with every filter. ImageStat takes the low bytes for the picture, too.
# Seen: a picture up to 59,993, turned by 10 degrees: largest pixel 59,993 with NEAREST, 243 with BILINEAR; mean said 132, is 27,012.
# Whom it hurts: whoever augments X-rays by small turns on 16-bit pictures. Cure: image.convert("F") before, or turn arrays.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PY'
import numpy as np
from PIL import Image, ImageStat

y, x = np.mgrid[:32, :32]
pixels = ((np.sin(x / 5) + np.cos(y / 7) + 2) / 4 * 60_000).astype(np.uint16)
image = Image.fromarray(pixels)
exact = Image.fromarray(pixels.astype(np.float32))
shear = (1, 0.1, 1, 0.1, 1, 1)
for name in ("NEAREST", "BILINEAR", "BICUBIC"):
    way = Image.Resampling[name]
    turned, sheared = image.rotate(10, way), image.transform((32, 32), Image.Transform.AFFINE, shear, way)
    smaller, right = image.resize((13, 13), way), exact.resize((13, 13), way)
    near = np.abs(np.asarray(smaller) - np.asarray(right)).max() <= 1
    print(f"{image.mode} {name}: turned {np.asarray(turned).max()}, sheared {np.asarray(sheared).max()}, resized rightly {near}")
print(f"mean {ImageStat.Stat(image).mean[0]:.0f}, in truth {pixels.mean():.0f}")
PY
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check pillow==13.0.0 numpy==2.4.6
"$folder/env/bin/python" "$folder/run.py" > "$folder/out"; cat "$folder/out"
printf '%s\n' 'I;16 NEAREST: turned 59993, sheared 59385, resized rightly True' \
    'I;16 BILINEAR: turned 243, sheared 235, resized rightly True' \
    'I;16 BICUBIC: turned 255, sheared 255, resized rightly True' \
    'mean 132, in truth 27012' | diff - "$folder/out" || { echo "changed"; exit 1; }
