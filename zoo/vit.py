"""ViT: the image is cut into patches, and each patch becomes a token of a Transformer.

    x (B, C, 28, 28)
      -> convolution 4 × 4, stride 4 (B, D, 7, 7) -> a token for each place (B, 49, D) -> norm -> + positions (49, D)
      -> [x + attention(norm(x)) -> x + mlp(norm(x))] × depth (B, 49, D)
      -> norm -> mean over the tokens (B, D) -> Linear (B, K)

B batch, N tokens, D width, h heads. Dosovitskiy et al. 2021, arXiv 2010.11929; the mean of the tokens instead of a
class token, and positions that need not be learned, are from Beyer, Zhai, Kolesnikov 2022, arXiv 2205.01580; the norm
of the first tokens is from Kumar, Dehghani, Houlsby 2023, arXiv 2302.01327. Apart from patches and positions nothing in
it knows which pixels are neighbours: that has to be learned, too.

Its layers are put together in `zoo/nn/vit.py`, which needs torch alone.
"""

from typing import Any

from zoo.nn.layers import Activation, Shape
from zoo.nn.vit import PositionsName, vit
from zoo.training.classifier import Classifier


class ViT(Classifier):
    """A Transformer over the patches of an image.

    Args:
        in_shape: channels, height and width of an image.
        num_classes: K.
        patch_size: side of a patch in pixels, a divisor of both sides of the image. Half of it makes four times as many
            tokens and sixteen times as many pairs of tokens.
        width: numbers in a token, D; a multiple of `heads`.
        depth: blocks.
        heads: parts of a token that attend on their own.
        mlp_ratio: hidden units of the MLP in a block, as a multiple of `width`.
        activation: in the MLP of each block.
        positions: `learned` with the weights, or `sincos`, fixed waves of row and column, for which `width` is a
            multiple of 4.
        dropout: share silenced in each training step: of the tokens at first, of what each attention adds to them, of
            the hidden units and of what each MLP adds.
        training: how it is trained, see `Classifier`.
    """

    def __init__(
        self,
        in_shape: Shape,
        num_classes: int,
        patch_size: int = 4,
        width: int = 64,
        depth: int = 4,
        heads: int = 4,
        mlp_ratio: float = 2.0,
        activation: Activation = "gelu",
        positions: PositionsName = "learned",
        dropout: float = 0.0,
        **training: Any,
    ) -> None:
        net = vit(in_shape, num_classes, patch_size, width, depth, heads, mlp_ratio, activation, positions, dropout)
        super().__init__(net, **training)
