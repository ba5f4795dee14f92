"""The graph of weights that the zoo brings along: NAME.onnx beside NAME.safetensors, whose weights it uses.

    NAME.onnx       nodes, a few small constants, and for each tensor where it lies in NAME.safetensors
    NAME.json       "onnx_sha256": the sum of NAME.onnx, without which it is not run

Weights in float16 are turned into float32 by the graph.
"""

import hashlib
import json
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from zoo.files import temporary, whole_file
from zoo.weights.card import card_text
from zoo.weights.runtime import GraphNet
from zoo.weights.store import graph_beside, read_checked, weights_of

if TYPE_CHECKING:
    from onnx import ModelProto, TensorProto


def add_graph(card_path: Path, images: Sequence[NDArray[np.uint8]]) -> Path:
    """Writes NAME.onnx beside a card and its weights, and its sum into the card, if it answers as torch does.

    Args:
        card_path: the card's.
        images: (N, C, H, W) of which both are asked, in any number of parts.

    Returns:
        The file.

    Raises:
        UsageError: the packages that write it are not installed.
        ValueError: it answers otherwise; it is removed again.
    """
    from zoo.weights.export.agreement import check_agreement
    from zoo.weights.export.graph import graph_of
    from zoo.weights.loading import from_card

    card, content = read_checked(card_path)
    classifier = from_card(card_path)
    model = graph_of(classifier)
    share(model, content, weights_of(card_path).name)
    written = model.SerializeToString(deterministic=True)
    path = graph_beside(card_path)
    beside = temporary(path)
    try:
        beside.write_bytes(written)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    try:
        net = GraphNet(card, path)
        for part in images:
            check_agreement(classifier(part), net(part), str(path))
    except BaseException:
        path.unlink()
        raise
    with whole_file(card_path) as file:
        file.write(card_text(card | {"onnx_sha256": hashlib.sha256(written).hexdigest()}))
    return path


def share(model: "ModelProto", content: bytes, location: str) -> None:
    """Lets a model take its weights from a file of safetensors.

    Args:
        model: with weights of its own, called as in the file.
        content: of the file.
        location: its name.
    """
    from onnx import NodeProto

    (length,) = struct.unpack_from("<Q", content)
    header, start = json.loads(content[8 : 8 + length]), 8 + length
    casts: list[NodeProto] = []
    for tensor in model.graph.initializer:
        if (held := header.get(tensor.name)) is not None:
            casts += to_float32(tensor) if held["dtype"] == "F16" else []
            first, end = held["data_offsets"]
            point_to(tensor, location, start + first, end - first)
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def to_float32(tensor: "TensorProto") -> list:
    """A node that makes float32 of a tensor, which is float16 from now on and has another name."""
    from onnx import TensorProto
    from onnx.helper import make_node

    wanted = tensor.name
    tensor.name, tensor.data_type = f"{wanted}.half", TensorProto.FLOAT16
    return [make_node("Cast", [tensor.name], [wanted], to=TensorProto.FLOAT)]


def point_to(tensor: "TensorProto", location: str, offset: int, length: int) -> None:
    """Replaces the numbers of a tensor by their place in a file."""
    from onnx import TensorProto

    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", offset), ("length", length)):
        tensor.external_data.add(key=key, value=str(value))
