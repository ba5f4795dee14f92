"""Those of Lightning's classes that cannot do their work here: why, and what to take instead."""

from typing import NamedTuple


class Unfit(NamedTuple):
    """Words for a class that cannot be taken.

    Attributes:
        expected: what can.
        found: what is wrong with it.
        advice: what to take instead; `-- X` for X under the same flag.
    """

    expected: str
    found: str
    advice: str


CHECKPOINTS = Unfit(
    "one that leaves checkpoints to the zoo, which writes them whole and reads them without running code",
    "which writes or reads them",
    "without it",
)
PRETRAINED = Unfit(
    "one for networks that are trained as a whole", "which needs a part that was trained before", "without it"
)
UNFIT = {  # by name: Lightning offers the same class under several paths
    "StochasticWeightAveraging": Unfit(
        "one whose weights are validated before they are kept",
        "whose average is made after the last validation and so is never a candidate",
        "-- EMAWeightAveraging, or -c configs/callbacks/ema.yaml",
    ),
    "BackboneFinetuning": PRETRAINED,
    "BaseFinetuning": PRETRAINED,
    "LambdaCallback": Unfit(
        "a class with hooks of its own",
        "which runs any function that a configuration names",
        "--allow_import my_module, with such a class in my_module.py",
    ),
    "BasePredictionWriter": Unfit(
        "one that does something by itself", "whose subclasses do", "without it, and `predict` after the training"
    ),
    "AsyncCheckpointIO": CHECKPOINTS,
    "TorchCheckpointIO": CHECKPOINTS,
    "XLACheckpointIO": CHECKPOINTS,
}


def unfit(path: str) -> Unfit | None:
    """What is wrong with the class of this path; None if nothing is known to be."""
    return UNFIT.get(path.rpartition(".")[2]) if path.startswith("lightning.") else None
