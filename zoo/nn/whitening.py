"""Whitening: a first convolution whose outputs are uncorrelated and of variance 1, because images are not.

    patches p (C·k·k) of training images, covariance Σ = V diag(λ) Vᵀ
    x (B, C, H, W) -> conv with the rows of ± diag(λ + ε)^-½ Vᵀ, + bias -> (B, 2·C·k·k, H - k + 1, W - k + 1)

Neighbouring pixels are nearly equal, so that raw patches have one large direction and many small ones; gradient
descent learns along the large ones first. Whitened patches are alike in all directions from the first step on (Page
2019, "How to train your ResNet", part 8; Jordan 2024, arXiv 2404.00498, §3.2). Each filter is there with its
negative: after an activation that is nearly zero on one side nothing is lost.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from zoo.nn.layers import DataDependentInit

EPSILON = 5e-4  # ε as a share of the mean λ: directions that hardly vary are not blown up to noise
CHUNK = 500  # images whose patches are unfolded at once: some 50 MB


class Whitening(DataDependentInit):
    """A convolution with fixed filters, computed from images, and a learned bias.

    Until it is fitted each filter picks one pixel of the patch.

    Args:
        channels: C of the images.
        kernel_size: k, side of the patches in pixels.
        padding: pixels of zeros around the images.
    """

    filters: Tensor

    def __init__(self, channels: int, kernel_size: int, padding: int = 0) -> None:
        super().__init__()
        size = channels * kernel_size**2
        self.padding = padding
        filters = torch.empty(2 * size, channels, kernel_size, kernel_size)
        if not filters.is_meta:  # where weights are loaded into, there are shapes alone
            filters.copy_(with_negatives(torch.eye(size)).view_as(filters))
        self.register_buffer("filters", filters)  # a buffer: no optimiser moves it and no initialiser draws it anew
        self.bias = torch.nn.Parameter(torch.zeros(2 * size))

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.filters, self.bias, padding=self.padding)

    @torch.no_grad()
    def init_from_data(self, images: Tensor) -> None:
        values, vectors = torch.linalg.eigh(patch_covariance(images, self.filters.shape[-1]))
        scales = (values + EPSILON * values.mean()).clamp_min(1e-12).rsqrt()  # images of one colour have no variance
        self.filters.copy_(with_negatives(scales.flip(0)[:, None] * vectors.mT.flip(0)).view_as(self.filters))


def with_negatives(rows: Tensor) -> Tensor:
    """Rows (N, D) -> the rows and their negatives (2N, D)."""
    return torch.cat([rows, -rows])


def patch_covariance(images: Tensor, size: int) -> Tensor:
    """Covariance of all patches of this side in images (B, C, H, W): (C·size², C·size²) float64."""
    count, total, products = 0, torch.tensor(0.0), torch.tensor(0.0)
    for chunk in images.double().split(CHUNK):
        patches = F.unfold(chunk, size).mT.flatten(0, 1)  # (B·H'·W', C·size²)
        count, total, products = count + len(patches), total + patches.sum(0), products + patches.mT @ patches
    mean = total / count
    return products / count - torch.outer(mean, mean)
