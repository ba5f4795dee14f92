# openvino 2026.4.1 (onnx 1.23.2, numpy 2.4.6), CPU: what surprises: after `compiled(a)`, answers about b from a request that is
#   made next, `compiled.create_infer_request().infer([b])`, write the pixels of b into the array a. Only where the network's
#   batch is open, as exporters of classifiers make it; with a batch of fixed size a stays as it is. float32 and uint8 alike.
# Seen: a equals b afterwards. `compiled(a)` shares the array, since `share_inputs` is true there and false in `infer`.
# Whom it hurts: whoever scores several networks or settings on one set of images: accuracies fall, and nothing is said.
# Cure: compiled(a.copy()), or compiled(a, share_inputs=False); or one way of asking only.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
cat > "$folder/run.py" <<'PY'
import sys

import numpy as np
import openvino as ov
from onnx import TensorProto, helper, numpy_helper, save

rng = np.random.default_rng(0)


def network(path, batch):
    weights = numpy_helper.from_array(rng.normal(size=(16, 3)).astype(np.float32), "w")
    nodes = [
        helper.make_node("Cast", ["images"], ["x"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["x"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["logits"]),
    ]
    images = helper.make_tensor_value_info("images", TensorProto.UINT8, [batch, 4, 4])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, [batch, 3])
    graph = helper.make_graph(nodes, "g", [images], [logits], [weights])
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)


def overwritten(batch, **options):
    path = f"{sys.argv[1]}/network.onnx"
    network(path, batch)
    compiled = ov.Core().compile_model(path, "CPU")
    a, b = (rng.integers(0, 256, (5, 4, 4), np.uint8) for _ in "ab")
    before = a.copy()
    compiled(a, **options)
    compiled.create_infer_request().infer([b])
    return not np.array_equal(a, before) and np.array_equal(a, b)


print(f"overwritten: open batch {overwritten('n')}, fixed batch {overwritten(5)}, not shared {overwritten('n', share_inputs=False)}")
PY
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check openvino==2026.4.1 onnx==1.23.2 numpy==2.4.6
line=$("$folder/env/bin/python" "$folder/run.py" "$folder"); echo "$line"
[ "$line" = "overwritten: open batch True, fixed batch False, not shared False" ] || { echo "changed"; exit 1; }
