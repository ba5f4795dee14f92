"""The process a command runs in: what it says, asks and returns besides its work."""

import logging
import os
import sys
import warnings

import torch
from lightning.pytorch.utilities import rank_zero_only


def skip_driver_search() -> None:
    """Says once that there is no NVIDIA device, where there is none.

    Optimisers ask for it at every step, and Lightning has the answer sought by loading the driver's library anew each
    time: a tenth of the step of a small network.
    """
    if not torch.cuda.is_available():
        os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")


def quieten() -> None:
    """Keeps what Lightning says of itself at every start off the terminal."""
    os.environ.setdefault("PYTORCH_ENABLE_MPS_FALLBACK", "1")
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in (
        ".*LeafSpec.* is deprecated",  # Lightning 2.6 on torch 2.15
        ".*does not have many workers.*",  # no loader processes by design
        ".*Checkpoint directory .* exists and is not empty",  # a resumed run
        ".*callbacks used to create the checkpoint need to be provided.*",  # those of fit have no work in test
        ".*It is recommended to use `self.log\\(.*sync_dist=True.*",  # summed over devices by the tally already
        ".*Total length of `.*` across ranks is zero.*",  # no validation images
    ):
        warnings.filterwarnings("ignore", message=message)


def warn(text: str | None) -> None:
    """Says on stderr what does not stop the run, once for all its processes."""
    if text and getattr(rank_zero_only, "rank", 0) == 0:
        print(f"warning: {text}", file=sys.stderr)
