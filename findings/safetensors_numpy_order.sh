#!/bin/bash
# safetensors 0.8.0 with numpy 2.4.6 (scikit-learn 1.9.1): what surprises: `safetensors.numpy.save` of an array in
#   Fortran order, such as components_ of a fitted PCA, writes its bytes under the shape of C order. It loads without a word.
# Seen: 16 components of the digits come back as other numbers; 0.7.0 gave them back equal. safetensors.torch refuses such
#   tensors with a ValueError, so that the same code in torch is safe (upstream: safetensors issue 825, open).
# Whom it hurts: whoever stores what scikit-learn has fitted, beside weights: a pipeline that answers, and wrongly.
# Cure: numpy.ascontiguousarray before saving, and compare what was written with what was meant.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PY'
import numpy
import safetensors
from safetensors.numpy import load, save
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

pixels = load_digits().data
found = PCA(16, svd_solver="full").fit(pixels).components_
back = load(save({"components": found}))["components"]
error = lambda components: float(numpy.mean((pixels - pixels.mean(0) - (pixels - pixels.mean(0)) @ components.T @ components) ** 2))
print(f"safetensors {safetensors.__version__}: C order {found.flags.c_contiguous}, equal {numpy.array_equal(back, found)},"
      f" reconstruction error {error(found):.2f} before, {error(back):.2f} after")
PY
python3 -m venv "$folder/env"
expect() {  # version, and whether the array comes back equal
    "$folder/env/bin/pip" install --quiet --disable-pip-version-check "safetensors==$1" numpy==2.4.6 scikit-learn==1.9.1
    line=$("$folder/env/bin/python" "$folder/run.py"); echo "$line"
    grep -q "C order False, equal $2" <<< "$line" || { echo "changed: safetensors $1"; exit 1; }
}
expect 0.7.0 True
expect 0.8.0 False
