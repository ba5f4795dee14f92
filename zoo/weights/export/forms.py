"""The forms in which a network leaves: how each is written, and how its own reader asks it.

onnx           one file: uint8 images (N, H, W, C) -> probabilities, logits (N, K); class names and card as metadata
pt2            the same for torch.export.load, with card.json
safetensors    NAME.safetensors and NAME.json, which `zoo.load` takes
bundle         a folder: model.onnx, card.json, README.md, and predict.py, which needs neither zoo nor torch
"""

import hashlib
import json
import warnings
from abc import ABC, abstractmethod
from io import BytesIO
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from zoo.weights.card import Card, card_text
from zoo.weights.classifier import CHUNK, ImageClassifier
from zoo.weights.pages.readme import input_section, origin, size_and_cost, title, weaknesses
from zoo.weights.runtime import GraphNet

PREDICT = Path(__file__).with_name("predict.template")
WAYS = ("photo", "digits")  # functions of that file, of which a bundle needs one


class Form(ABC):
    """A network on its way out.

    Args:
        model: whose network it is, on the CPU.
    """

    ending: ClassVar[str]

    def __init__(self, model: ImageClassifier) -> None:
        self.model = model

    @abstractmethod
    def write(self, path: Path, card: Card) -> None:
        """Writes it, with a card."""

    @abstractmethod
    def ask(self, path: Path, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Probabilities (N, K) of images (N, C, H, W), by what was written alone."""


class OnnxFile(Form):
    """One file for onnxruntime and its like."""

    ending = ".onnx"

    def __init__(self, model: ImageClassifier) -> None:
        from zoo.weights.export.graph import graph_of

        super().__init__(model)
        self.graph = graph_of(model)

    def write(self, path: Path, card: Card) -> None:
        del self.graph.metadata_props[:]
        for key, value in (("classes", card["classes"]), ("card", card)):
            self.graph.metadata_props.add(key=key, value=json.dumps(value, ensure_ascii=False))
        path.write_bytes(self.graph.SerializeToString(deterministic=True))

    def ask(self, path: Path, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        return GraphNet(self.model.card, path)(images)


class TensorsFile(Form):
    """Weights alone, with the card beside them."""

    ending = ".safetensors"

    def write(self, path: Path, card: Card) -> None:
        import torch

        from zoo.weights.store import write

        dtype = getattr(torch, card["dtype"])  # of the numbers that the network had
        tensors = self.model.net.state_dict()
        tensors = {name: each.to(dtype) if each.is_floating_point() else each for name, each in tensors.items()}
        write(path.parent, path.stem, tensors, card)

    def ask(self, path: Path, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        from zoo.weights.loading import from_card

        return from_card(path.with_suffix(".json"))(images)


class ProgramFile(Form):
    """One file for torch.export.load."""

    ending = ".pt2"

    def __init__(self, model: ImageClassifier) -> None:
        import torch

        from zoo.weights.export.graph import Asked, example_of

        super().__init__(model)
        shapes = ({0: torch.export.Dim("batch")},)
        self.program = torch.export.export(Asked(model).eval(), (example_of(model),), dynamic_shapes=shapes)
        for module in self.program.graph_module.modules():
            for node in module.graph.nodes if isinstance(module, torch.fx.GraphModule) else ():
                for key in {*node.meta} - {"val"}:  # the others name files, lines and classes of this machine
                    del node.meta[key]

    def write(self, path: Path, card: Card) -> None:
        import torch

        written = BytesIO()  # torch ends the process where it writes a file itself and the disk is full
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "No complete tensor found in the group")
            torch.export.save(self.program, written, extra_files={"card.json": card_text(card)})
        path.write_bytes(written.getbuffer())

    def ask(self, path: Path, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        import torch

        net = torch.export.load(path).module()
        parts = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 2, 3, 1))).split(CHUNK)
        with torch.inference_mode():
            return torch.cat([net(part)[0] for part in parts]).numpy()


class Bundle(OnnxFile):
    """A folder for someone who has none of this."""

    ending = ""

    def write(self, path: Path, card: Card) -> None:
        path.mkdir(exist_ok=True)
        super().write(path / "model.onnx", card)
        content = (path / "model.onnx").read_bytes()
        card = card | {"onnx_sha256": hashlib.sha256(content).hexdigest()}
        (path / "card.json").write_text(card_text(card), encoding="utf-8")
        (path / "README.md").write_text(bundle_page(card), encoding="utf-8")
        (path / "predict.py").write_text(predict_script(card["prepare"]), encoding="utf-8")

    def ask(self, path: Path, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        return super().ask(path / "model.onnx", images)


FORMS: dict[str, type[Form]] = {
    "onnx": OnnxFile,
    "safetensors": TensorsFile,
    "pt2": ProgramFile,
    "bundle": Bundle,
}


def predict_script(prepare: str) -> str:
    """The script of a bundle: what brings pictures to the network's shape in another way is left out."""
    blocks = PREDICT.read_text(encoding="utf-8").split("\n\n")
    others = tuple(f"def {way}(" for way in WAYS if way != prepare)
    return "\n\n".join(block for block in blocks if not block.startswith(others))


def bundle_page(card: Card) -> str:
    """README.md of a bundle."""
    channels, height, width = card["in_shape"]
    use = [
        "## Use it",
        "",
        "```sh",
        "pip install onnxruntime numpy pillow",
        "python predict.py PICTURE ...",
        "```",
        "",
        f"`model.onnx` takes `images`: uint8 (N, {height}, {width}, {channels}), any N, 0 to 255 as pictures come.",
        f"It gives `probabilities` and `logits`: float32 (N, {len(card['classes'])}). Normalisation is inside.",
        "`predict.py` brings a picture to that size. `card.json` is all that is known of the network.",
    ]
    sections = (title(card), use, size_and_cost(card), weaknesses(card), input_section(card), origin(card))
    return "\n\n".join("\n".join(lines) for lines in sections if lines) + "\n"
