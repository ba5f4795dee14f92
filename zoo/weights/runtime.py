"""Answers without torch: onnxruntime runs the graph that lies beside weights of the zoo.

    NAME.onnx, NAME.safetensors -> GraphNet: uint8 (N, C, H, W) -> probabilities (N, K) float32

Only for files that were installed with the zoo: a graph is a program, and a stranger's is not run.
"""

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zoo.weights.card import Card

CHUNK = 200  # images at a time


class GraphNet:
    """A network in onnxruntime.

    Args:
        card: its card.
        path: of the graph; the weights lie beside it.
    """

    def __init__(self, card: Card, path: Path) -> None:
        from onnxruntime import InferenceSession, SessionOptions

        options = SessionOptions()
        options.intra_op_num_threads = threads()
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # no faster, and burns the processor
        options.log_severity_level = 3  # errors
        self._session = InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._classes = len(card["classes"])

    def __call__(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Probabilities (N, K) of images (N, C, H, W)."""
        images = np.ascontiguousarray(batch.transpose(0, 2, 3, 1))
        parts = [
            self._session.run(["probabilities"], {"images": images[start : start + CHUNK]})[0]
            for start in range(0, len(images), CHUNK)
        ]
        return np.concatenate(parts) if parts else np.zeros((0, self._classes), np.float32)


def threads() -> int:
    """How many onnxruntime works with: OMP_NUM_THREADS, or one for each processor that this process may use."""
    given = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    if given.isdecimal() and int(given) > 0:
        return int(given)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
