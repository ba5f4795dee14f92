"""Attacks on memory and time: a small card that asks for terabytes, or for layers without end."""

from attacks.weights.corpus import Weights, attack
from zoo.nn.convnet import convnet
from zoo.nn.vit import vit


@attack("ask hub")
def a_layer_of_terabytes(scene: Weights) -> None:
    """Asks for a width whose weights would fill every memory; the file beside it has a few bytes."""
    scene.argument(hidden=scene.either([10_000_000], [4]))


@attack("ask")
def a_square_of_terabytes(scene: Weights) -> None:
    """Asks for two widths, each of which would do."""
    scene.argument(hidden=scene.either([10_000_000, 10_000_000], [4]))


@attack("show ask")
def a_width_beyond_all_numbers(scene: Weights) -> None:
    """Asks for a width that no type holds."""
    scene.argument(hidden=scene.either([2**80], [4]))


@attack("show ask")
def a_width_below_zero(scene: Weights) -> None:
    """Asks for a width that is none."""
    scene.argument(hidden=[scene.either(-4, 4)])


@attack("show ask")
def layers_by_the_thousand(scene: Weights) -> None:
    """Lists very many widths."""
    scene.argument(hidden=scene.either([1] * 5_001, [4]))


@attack("show ask")
def layers_without_end(scene: Weights) -> None:
    """Asks for a depth that takes hours to build."""
    arguments = {"channels": [2], "kernel_size": 3, "activation": "relu", "norm": "none", "pool": "max", "dropout": 0.0}
    tensors = convnet((1, 8, 8), 3, [2], 1, 3, "relu", "none", "max", 0.0).state_dict()
    scene.network("ConvNet", tensors, [1, 8, 8], depth=scene.either(10**6, 1), **arguments)


@attack("show ask")
def an_image_of_gigapixels(scene: Weights) -> None:
    """Asks for images that no memory holds."""
    scene.update(in_shape=[1, scene.either(100_000, 8), scene.either(100_000, 8)])


@attack("ask")
def an_image_that_the_weights_do_not_fit(scene: Weights) -> None:
    """Asks for larger images than its first layer takes."""
    side = scene.either(512, 8)
    scene.update(in_shape=[1, side, side])


@attack("ask")
def maps_of_gigabytes(scene: Weights) -> None:
    """Has few weights, that make very much of each image."""
    side, width = scene.either((1024, 300), (8, 3))
    tensors = convnet((1, side, side), 3, [width], 1, 1, "relu", "none", "max", 0.0).state_dict()
    arguments = {"depth": 1, "kernel_size": 1, "activation": "relu", "norm": "none", "pool": "max", "dropout": 0.0}
    scene.network("ConvNet", tensors, [1, side, side], channels=[width], **arguments)


@attack("ask")
def tokens_that_all_attend_to_each_other(scene: Weights) -> None:
    """Has few weights, and pairs of tokens by the billion."""
    side = scene.either(256, 8)
    arguments = {"patch_size": 1, "width": 4, "depth": 1, "heads": 1, "mlp_ratio": 1.0, "activation": "relu"}
    tensors = vit((1, side, side), 3, 1, 4, 1, 1, 1.0, "relu", "sincos", 0.0)
    scene.network("ViT", tensors.state_dict(), [1, side, side], **arguments, positions="sincos", dropout=0.0)


@attack("ask")
def patches_of_nothing(scene: Weights) -> None:
    """Asks for patches of no pixels."""
    tensors = vit((1, 8, 8), 3, 4, 4, 1, 1, 1.0, "relu", "learned", 0.0).state_dict()
    arguments = {"width": 4, "depth": 1, "heads": 1, "mlp_ratio": 1.0, "activation": "relu", "dropout": 0.0}
    scene.network("ViT", tensors, [1, 8, 8], patch_size=scene.either(-1, 4), positions="learned", **arguments)


@attack("show ask")
def a_card_of_megabytes(scene: Weights) -> None:
    """Is padded."""
    scene.save(lambda text: text + " " * scene.either(1_000_000, 1_000))
