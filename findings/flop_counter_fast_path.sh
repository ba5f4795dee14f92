# torch 2.13.0, CPU (so it is in 2.15.0): what surprises: torch's own FlopCounterMode counts 0 for torch's own nn.TransformerEncoderLayer
#   and nn.MultiheadAttention in eval mode without gradients, the very state in which one asks what a prediction costs: there they
#   are one fused operation, which has no formula. In train mode, or with gradients, it counts. nn.LSTM and nn.Bilinear: always 0.
# Seen: 81,920 with gradients, 0 within no_grad, for one layer; a convolution before it is counted, so a total looks plausible.
# Whom it hurts: whoever compares Transformers with convolutional networks by it: they seem to cost their first layer only.
# Cure: count in eval mode with gradients on, or torch.backends.mha.set_fastpath_enabled(False); no cure here for an LSTM.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/env"
"$work/env/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy
cat > "$work/run.py" <<'PY'
import contextlib
import warnings

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

warnings.filterwarnings("ignore")
layer, x = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True).eval(), torch.zeros(2, 10, 16)


def counted(net, without=contextlib.nullcontext):
    with without(), FlopCounterMode(display=False) as counter:
        net(x)
    return counter.get_total_flops()


print("with gradients", counted(layer), "no_grad", counted(layer, torch.no_grad), "inference_mode", counted(layer, torch.inference_mode))
torch.backends.mha.set_fastpath_enabled(False)
print("no fast path", counted(layer, torch.no_grad), "LSTM", counted(nn.LSTM(16, 8, batch_first=True)), "linear", counted(nn.Linear(16, 8)))
PY
"$work/env/bin/python" "$work/run.py" > "$work/out"
cat "$work/out"
printf 'with gradients 81920 no_grad 0 inference_mode 0\nno fast path 81920 LSTM 0 linear 5120\n' | diff - "$work/out" || { echo "changed"; exit 1; }
