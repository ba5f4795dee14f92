"""What is trained: a network, its data, the batch, the precision, and how many images make an epoch.

Small networks train on all images. Of large ones an epoch would take minutes, so that a part of the images must do, and
then only the training steps are compared: the saves at the end of an epoch would weigh too much.
"""

from argparse import Namespace
from dataclasses import asdict, dataclass, replace
from typing import Any

from benchmarks.measure.roofline import Cost, cost

MODELS = ("SoftmaxRegression", "MLP", "LeNet", "ConvNet", "FastNet", "ViT", "ResNet")
IMAGES = {"MNIST": 54_000, "CIFAR10": 45_000}  # training images, a tenth left out for validation
BUDGET = 60e9  # FLOP of an epoch: a second or two on a core
HEAVY = 0.3e12  # from here on one warm epoch must do
MOST = 1e12  # beyond, two batches take too long to be measured round after round
SHARE = 9  # training images to one for validation, as in a whole fit


@dataclass(frozen=True)
class Case:
    """One training that programs are compared on.

    Attributes:
        model: a class of the zoo.
        data: MNIST or CIFAR10.
        batch: images per step.
        precision: Lightning's name of it.
        images: to train on.
        epochs: the first is to warm up, the median of the others counts.
        options: further arguments of `fit`.
    """

    model: str
    data: str
    batch: int = 128
    precision: str = "32-true"
    images: int = 0
    epochs: int = 3
    options: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether it trains on all images, so that an epoch with its validation and saves is one of `fit`."""
        return self.images == IMAGES[self.data]

    @property
    def validation(self) -> int:
        """Images of the validation."""
        return self.images // SHARE

    @property
    def what(self) -> str:
        """What is compared of a sample."""
        return "seconds" if self.whole else "training"

    @property
    def name(self) -> str:
        """For tables."""
        short = f"{self.model}, {self.data}, batch {self.batch}, {self.precision}"
        return short if self.whole else f"{short}, {self.images:,} images"

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return {**asdict(self), "options": list(self.options)}

    def argv(self, options: Namespace) -> list[str]:
        """The arguments of data and model for `fit` and `describe`."""
        if self.data == "CIFAR10" and options.cifar10:
            data = ["--data", "Arrays", "--data.path", str(options.cifar10)]
        else:
            data = ["--data", self.data, "--data.root", str(options.data_root)]
        sizes = [f"--data.batch_size={self.batch}"]
        if self.images:
            sizes += [f"--data.train_size={self.images}", f"--data.val_size={self.validation}"]
        return [*data, *sizes, "--model", self.model, *self.options]


def read_case(content: dict[str, Any]) -> Case:
    """From JSON."""
    return Case(**{**content, "options": tuple(content["options"])})


def make(case: Case, options: Namespace) -> tuple[Any, Any]:
    """Data module and model, as `fit` makes them."""
    from datamodules import ImageDataModule
    from zoo import list_architectures
    from zoo.commands.cli.flags import prepared
    from zoo.commands.network.describe import make_parser

    list_architectures()  # imported, the classes are known by their short names
    parser = make_parser(ImageDataModule)
    made = parser.instantiate(parser.parse_args(prepared(case.argv(options))))
    return made["data"], made["model"]


def cost_of(case: Case) -> Cost:
    """What an image costs, of any data of this shape."""
    data, model = make(replace(case, images=0), Namespace(cifar10=None, data_root="data"))  # none of it is read
    return cost(model.net, data.in_shape)


def sized(case: Case, one: Cost) -> Case | None:
    """The case with as many images as fit the budget; None if even two batches are too much."""
    if 2 * case.batch * one.training > MOST:
        return None
    wanted = max(2, int(BUDGET / one.training / case.batch)) * case.batch
    heavy = wanted * one.training > HEAVY
    return replace(case, images=min(wanted, IMAGES[case.data]), epochs=2 if heavy else case.epochs)
