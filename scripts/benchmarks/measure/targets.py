"""Which ratios does the project aim at?

tutorial / zoo, lightning-hydra-template / zoo   at least 12
zoo / plain     at most 1.10 from batch 128 on, at most 1.25 for the MLP and softmax regression
nchw / zoo      at least 1.8, ConvNet on CIFAR-10 in bfloat16 against float32 as PyTorch comes
fit / imports   at most 1.3, a cold start up to the first step; --help and --version within a second
recipes         an accuracy, seconds of training, how many times as long a project takes to get there, in whole commands
                or in training alone, whichever is less
"""

from typing import NamedTuple

from benchmarks.measure.case import Case

TINY = ("SoftmaxRegression", "MLP")
SLOW = ("tutorial", "lightning-hydra-template")
ACCURACIES = {"mnist": 0.99, "fashion": 0.93, "cifar10": 0.9, "cifar10_fastnet_94": 0.94}  # by data, or by recipe
RECIPES: dict[str, tuple[int, dict[str, float]]] = {
    "mnist_99_fast": (6, {"pytorch-examples": 20.0}),
    "cifar10_fast": (480, {"cifar10-airbench": 1.0}),
}
AT_ONCE = 1.0  # seconds of a command that only prints something
STARTUP = 1.3  # times the imports, a first step
MEMORY = 1.5  # times data, model and torch's own
LINEAR = 0.1  # by which time per image may differ between sizes of the data


class Row(NamedTuple):
    """A target, and what became of it.

    Attributes:
        target: what was aimed at.
        case: with what.
        found: what came out.
        met: whether that is it.
        rounds: of which rounds.
    """

    target: str
    case: str
    found: str
    met: bool
    rounds: str


class Target(NamedTuple):
    """A bound of a ratio."""

    least: bool
    bound: float

    def __str__(self) -> str:
        return f"{'≥' if self.least else '≤'} {self.bound:g}"

    def met(self, ratio: float) -> bool:
        """Whether a ratio is within it."""
        return ratio >= self.bound if self.least else ratio <= self.bound


def verdict(met: bool) -> str:
    """What became of a target, as the page shows it."""
    return "reached" if met else "**missed**"


def pairs(case: Case, names: list[str]) -> list[tuple[str, str, Target | None]]:
    """The ratios to report of a case, slower over faster as it should be, with their targets."""
    found: list[tuple[str, str, Target | None]] = []
    for name in names:
        if name == "plain":
            bound = Target(False, 1.25 if case.model in TINY else 1.10)
            found.append(("zoo", "plain", bound if case.batch >= 128 else None))
        elif name in SLOW:
            found.append((name, "zoo", Target(True, 12)))
        elif name == "nchw":
            aimed = case.model == "ConvNet" and case.precision == "bf16-mixed" and case.data == "CIFAR10"
            found.append(("nchw", "zoo", Target(True, 1.8) if aimed else None))
    return found
