"""A network as an ONNX graph that takes pictures as they come.

    images uint8 (N, H, W, C) -> pixels in the network's order, (x - shift) × scale -> net
      -> probabilities (N, K), logits (N, K) float32

Opset 20 and IR 10, which today's readers know. Nothing of the exporting machine is in it: no stack traces, paths or
names of source files; the same network gives the same bytes.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from zoo.errors import UsageError

if TYPE_CHECKING:
    from onnx import ModelProto

    from zoo.weights.classifier import ImageClassifier

OPSET = 20
IR = 10
OF_NET = "net."  # what the exporter puts before the names of weights


class Asked(nn.Module):
    """A network with what comes before and after it.

    Args:
        model: whose network it is.
    """

    shift: Tensor
    scale: Tensor
    pixels: Tensor | None

    def __init__(self, model: "ImageClassifier") -> None:
        super().__init__()
        self.net = model.net
        self.register_buffer("shift", torch.tensor(model.card["shift"])[:, None, None], persistent=False)
        self.register_buffer("scale", torch.tensor(model.card["scale"])[:, None, None], persistent=False)
        order = model.card["pixels"]
        self.register_buffer("pixels", None if order is None else torch.tensor(order), persistent=False)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(N, H, W, C) uint8 -> probabilities and logits (N, K)."""
        x = images.permute(0, 3, 1, 2)
        if self.pixels is not None:
            _, channels, height, width = x.shape
            x = x.reshape(-1, channels, height * width)[:, :, self.pixels].reshape(-1, channels, height, width)
        logits = self.net((x.float() - self.shift) * self.scale)
        return logits.softmax(1), logits


def example_of(model: "ImageClassifier") -> Tensor:
    """Images (2, H, W, C) as the network takes them: of a batch of one the exporters take the one for a constant."""
    channels, height, width = model.card["in_shape"]
    return torch.zeros(2, height, width, channels, dtype=torch.uint8)


def check_exporter() -> None:
    """Raises UsageError if the packages that write ONNX are not installed."""
    from importlib.util import find_spec

    for name in ("onnx", "onnxscript"):
        if find_spec(name) is None:
            raise UsageError(
                f"package in --format onnx: expected {name}, found none. Try: pip install 'small-image-zoo[export]'"
            )


def graph_of(model: "ImageClassifier") -> "ModelProto":
    """A network as an ONNX model with its weights in float32, called as in the network.

    Args:
        model: on the CPU.

    Raises:
        UsageError: the packages that write it are not installed.
    """
    check_exporter()
    import onnx_ir
    from onnxscript.optimizer import optimize

    program = torch.onnx.export(
        Asked(model).eval(),
        (example_of(model),),
        dynamo=True,
        opset_version=OPSET,
        dynamic_shapes=({0: "batch"},),
        input_names=["images"],
        output_names=["probabilities", "logits"],
        optimize=False,
        verbose=False,
    )
    assert program is not None
    graph = program.model.graph
    # sizes are worked out, but nothing is made of the weights: while they are inputs they are unknown
    weights = {name: value for name, value in graph.initializers.items() if name.startswith(OF_NET)}
    kept = {name: value.const_value for name, value in weights.items()}
    for name, value in weights.items():
        del graph.initializers[name]
        value.const_value = None
        graph.inputs.append(value)
    optimize(program.model)
    del graph.inputs[1:]
    for name, value in weights.items():
        value.const_value = kept[name]
        if value.uses():
            graph.initializers.add(value)
    return stripped(onnx_ir.to_proto(program.model))


def stripped(model: "ModelProto") -> "ModelProto":
    """A model without all that says where and how it was made; its weights are called as in the network."""
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.initializer, *graph.input, *graph.output):
        for field in ("doc_string", "metadata_props"):
            part.ClearField(field)
    for node in graph.node:
        node.ClearField("name")
        node.input[:] = [name.removeprefix(OF_NET) for name in node.input]
    for tensor in graph.initializer:
        tensor.name = tensor.name.removeprefix(OF_NET)
    graph.initializer.sort(key=lambda tensor: tensor.name)
    graph.ClearField("value_info")
    graph.name, model.producer_name, model.producer_version, model.ir_version = "network", "zoo", "", IR
    return model
