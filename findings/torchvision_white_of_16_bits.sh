# torchvision 0.29.2, torch 2.15.0: what surprises: to_dtype(…, torch.uint16, scale=True) of float32 pixels makes white black: 1.0
#   becomes 0. A 16-bit PNG that is brought to float32 and back, with what the documentation advises, loses all saturated pixels.
#   The factor, 65,536 less 0.001, is rounded to 65,536. Of float16 and bfloat16 to uint8 the same (known: torchvision issue 6799).
# Seen: 0, 32768, 65534, 65535 come back as 0, 32768, 65535, 0; float32 to uint8 is right: 0 and 255 stay.
# Whom it hurts: whoever augments X-rays or depth maps in float32 and stores them as they were. No word is said.
# Cure: (pixels.double() * 65535).round().to(torch.uint16), or float64 before to_dtype.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PY'
import torch
from torchvision.transforms.v2.functional import to_dtype

white = torch.tensor([0, 32768, 65534, 65535], dtype=torch.int32).to(torch.uint16).reshape(1, 2, 2)
bytes_ = torch.tensor([0, 128, 254, 255], dtype=torch.uint8).reshape(1, 2, 2)


def there_and_back(pixels, by):
    return to_dtype(to_dtype(pixels, by, scale=True), pixels.dtype, scale=True).flatten().tolist()


print("16 bits by float32", there_and_back(white, torch.float32), "by float64", there_and_back(white, torch.float64))
print("8 bits by float32", there_and_back(bytes_, torch.float32), "by float16", there_and_back(bytes_, torch.float16))
PY
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check torch==2.15.0 torchvision==0.29.2
"$folder/env/bin/python" "$folder/run.py" > "$folder/out"; cat "$folder/out"
printf '%s\n' '16 bits by float32 [0, 32768, 65535, 0] by float64 [0, 32768, 65534, 65535]' \
    '8 bits by float32 [0, 128, 254, 255] by float16 [0, 128, 255, 0]' | diff - "$folder/out" || { echo "changed"; exit 1; }
