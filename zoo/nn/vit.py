"""The layers of `zoo.ViT`, in torch alone: weights are loaded into them without Lightning."""

import math
from numbers import Real
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.nn.layers import (
    Activation,
    Shape,
    check_factor,
    check_images,
    check_name,
    check_size,
    dense,
    dropping,
    is_size,
)

PositionsName = Literal["learned", "sincos"]


def sincos(rows: int, columns: int, width: int) -> Tensor:
    """Positions as waves: row and column of each patch, in sines and cosines of D/4 wavelengths, (N, D).

        sin(ω row), cos(ω row), sin(ω column), cos(ω column)   with ω = 10,000^(-4i/D), i = 0 … D/4 - 1

    Vaswani et al. 2017, arXiv 1706.03762, §3.5, once for each direction.
    """
    omega = 10_000.0 ** (-4 * torch.arange(width // 4) / width)  # (D/4,)
    row = torch.arange(rows).repeat_interleave(columns)[:, None] * omega  # (N, D/4)
    column = torch.arange(columns).repeat(rows)[:, None] * omega  # (N, D/4)
    return torch.cat([row.sin(), row.cos(), column.sin(), column.cos()], dim=1)


class Tokens(nn.Module):
    """A linear map of each patch, normalised, plus a vector that says where it lies (the paper's equation 1).

    The norm puts tokens on the scale of their positions, whatever the initialiser: without it training is slower.
    """

    def __init__(self, in_shape: Shape, patch_size: int, width: int, positions: PositionsName) -> None:
        super().__init__()
        channels, rows, columns = in_shape[0], in_shape[1] // patch_size, in_shape[2] // patch_size
        self.patches = nn.Conv2d(channels, width, patch_size, patch_size)
        self.norm = nn.LayerNorm(width)
        places = torch.empty(rows * columns, width)  # (N, D)
        learned = positions == "learned"
        if not places.is_meta:  # where weights are loaded into, there are shapes alone
            # about as large as the waves; from the usual 0.02 the tokens are slow to learn where they are
            places = 0.5 * torch.randn(rows * columns, width) if learned else sincos(rows, columns, width)
        if learned:
            self.positions = nn.Parameter(places)
        else:
            self.register_buffer("positions", places)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, N, D), row by row of the image."""
        return self.norm(self.patches(x).flatten(2).transpose(1, 2)) + self.positions


class Attention(nn.Module):
    """Each token asks all tokens: softmax(Q Kᵀ / √(D/h)) V in every head (Vaswani et al. 2017, §3.2).

    Keys have no bias: it would add the same to all scores of a query, which softmax does not notice.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)

    def split(self, x: Tensor) -> Tensor:
        """Deals the features out to the heads: (B, N, D) -> (B, h, N, D/h)."""
        return x.unflatten(2, (self.heads, -1)).transpose(1, 2)

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, D) -> (B, N, D)."""
        q, k, v = self.split(self.query(x)), self.split(self.key(x)), self.split(self.value(x))
        return self.out(attend(q, k, v).transpose(1, 2).flatten(2))


@torch.fx.wrap
def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """softmax(Q Kᵀ / √d) V: queries, keys and values (B, h, N, d) -> answers (B, h, N, d)."""
    if q.device.type == "cpu" and q.dtype == torch.bfloat16:
        # the same as below; there the gradient of the fused kernel takes seven times as long as these two products
        return (q @ k.transpose(2, 3) / math.sqrt(q.shape[3])).softmax(3).to(v.dtype) @ v
    return F.scaled_dot_product_attention(q, k, v)


class Block(nn.Module):
    """Tokens first exchange what they know, then each goes through the same MLP (the paper's equations 2 and 3)."""

    def __init__(self, width: int, heads: int, hidden: int, activation: Activation, dropout: float) -> None:
        super().__init__()
        self.attention = nn.Sequential(nn.LayerNorm(width), Attention(width, heads), *dropping(dropout))
        layers = [*dense(width, hidden, activation, "none", dropout), nn.Linear(hidden, width), *dropping(dropout)]
        self.mlp = nn.Sequential(nn.LayerNorm(width), *layers)

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, D) -> (B, N, D)."""
        x = x + self.attention(x)
        return x + self.mlp(x)


class Mean(nn.Module):
    """The mean of the tokens."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, D) -> (B, D)."""
        return x.mean(1)


def vit(
    in_shape: Shape,
    num_classes: int,
    patch_size: int,
    width: int,
    depth: int,
    heads: int,
    mlp_ratio: float,
    activation: Activation,
    positions: PositionsName,
    dropout: float,
) -> nn.Sequential:
    """The network of `zoo.ViT`, which says what each argument means: images (B, C, H, W) -> logits (B, K)."""
    check_images(in_shape, num_classes)
    for name, size, usual in (("width", width, 64), ("depth", depth, 4), ("heads", heads, 4)):
        check_size("size", name, size, usual)
    check_factor("mlp_ratio", mlp_ratio, 2)
    hidden = round(mlp_ratio * width)
    if hidden < 1:
        raise ValueError(
            f"size in --model.mlp_ratio × --model.width: expected at least 1, found {mlp_ratio} × {width}."
            " Try: --model.mlp_ratio 2"
        )
    check_name("--model.positions", positions, ["learned", "sincos"])
    check_patches(in_shape, patch_size)
    check_heads(width, heads, positions)
    layers = [
        Tokens(in_shape, patch_size, width, positions),
        *dropping(dropout),
        *[Block(width, heads, hidden, activation, dropout) for _ in range(depth)],
        nn.LayerNorm(width),
        Mean(),
        nn.Linear(width, num_classes),
    ]
    return nn.Sequential(*layers)


def check_patches(in_shape: Shape, patch_size: int) -> None:
    """Raises ValueError unless whole patches cover the image."""
    _, height, width = in_shape
    fitting = [size for size in range(1, min(height, width) + 1) if height % size == width % size == 0]
    if not is_size(patch_size) or patch_size not in fitting:
        nearest = min(fitting, key=lambda size: abs(size - patch_size)) if isinstance(patch_size, Real) else fitting[-1]
        raise ValueError(
            f"side of a patch in --model.patch_size: expected one of {', '.join(map(str, fitting))} for images of"
            f" {height} × {width}, found {patch_size!r}. Try: --model.patch_size {nearest}"
        )


def check_heads(width: int, heads: int, positions: PositionsName) -> None:
    """Raises ValueError unless a token can be dealt out evenly to the heads, and to the waves if there are any."""
    step = heads if positions == "learned" else math.lcm(heads, 4)
    if width % step != 0:
        raise ValueError(
            f"width in --model.width: expected a multiple of {step} for {heads} heads and {positions} positions,"
            f" found {width}. Try: --model.width {max(1, round(width / step)) * step}"
        )
