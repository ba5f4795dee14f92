"""Protects ViT: attention and blocks are torch's, positions are what tells tokens apart, sizes that fit are named."""

import math
import re

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.fx import symbolic_trace

from zoo.nn.vit import Attention, Block, Tokens, attend, check_heads, check_patches, sincos
from zoo.vit import ViT

KINDS = ("learned", "sincos")


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def fill(module: nn.Module) -> None:
    """Biases and scales that are neither zero nor one, so that none can be forgotten unnoticed."""
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.3)


def copy_attention(ours: Attention, reference: nn.MultiheadAttention) -> None:
    layers = [ours.query, ours.key, ours.value]
    with torch.no_grad():
        for layer, weight in zip(layers, reference.in_proj_weight.chunk(3), strict=True):
            layer.weight.copy_(weight)
        ours.query.bias.copy_(reference.in_proj_bias.chunk(3)[0])
        ours.value.bias.copy_(reference.in_proj_bias.chunk(3)[2])  # the keys' bias makes no difference
    ours.out.load_state_dict(reference.out_proj.state_dict())


@pytest.mark.parametrize("heads", [1, 3, 12])
def test_attention_is_that_of_torch(heads):
    ours, reference = Attention(12, heads), nn.MultiheadAttention(12, heads, batch_first=True)
    fill(reference)
    assert reference.in_proj_bias.chunk(3)[1].abs().min() > 0
    copy_attention(ours, reference)
    x = torch.randn(4, 9, 12)
    torch.testing.assert_close(ours(x), reference(x, x, x, need_weights=False)[0])


def test_attention_in_bfloat16_is_that_of_the_fused_kernel():
    q, k, v = (torch.randn(2, 3, 9, 4).bfloat16().requires_grad_() for _ in range(3))
    expected = F.scaled_dot_product_attention(q.float(), k.float(), v.float())
    torch.testing.assert_close(attend(q, k, v).float(), expected, rtol=0, atol=0.03)  # 8 bits of a number near 2
    found = torch.autograd.grad(attend(q, k, v).sum(), (q, k, v))
    for ours, reference in zip(found, torch.autograd.grad(expected.sum(), (q, k, v)), strict=True):
        torch.testing.assert_close(ours, reference, rtol=0, atol=0.03)


def test_a_block_is_that_of_torch():
    ours = Block(12, 3, 20, "gelu", dropout=0.0)
    reference = nn.TransformerEncoderLayer(12, 3, 20, 0.0, "gelu", batch_first=True, norm_first=True)
    fill(reference)
    norm, attention = ours.attention
    assert isinstance(attention, Attention)
    copy_attention(attention, reference.self_attn)
    norm.load_state_dict(reference.norm1.state_dict())
    for index, layer in {0: reference.norm2, 1: reference.linear1, 3: reference.linear2}.items():
        ours.mlp[index].load_state_dict(layer.state_dict())
    x = torch.randn(4, 9, 12)
    torch.testing.assert_close(ours(x), reference(x))


@pytest.mark.parametrize("positions", KINDS)
def test_only_positions_tell_the_order_of_the_tokens(positions):
    model = ViT((1, 8, 12), 5, width=8, depth=2, heads=2, positions=positions).double().eval()
    tokens = model.net.get_submodule("0")
    assert isinstance(tokens, Tokens)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    x = torch.randn(3, 1, 8, 12, dtype=torch.double)
    patches = x.unflatten(3, (3, 4)).unflatten(2, (2, 4)).permute(0, 1, 2, 4, 3, 5).flatten(2, 3)  # (B, C, N, 4, 4)
    mixed = patches[:, :, order].unflatten(2, (2, 3)).permute(0, 1, 2, 4, 3, 5).flatten(4, 5).flatten(2, 3)
    with torch.no_grad():
        before, elsewhere = model(x), model(mixed)
        tokens.positions.copy_(tokens.positions[order])
        together = model(mixed)
    torch.testing.assert_close(together, before)
    assert (elsewhere - before).abs().min() > 1e-6


def test_sincos_is_its_formula():
    rows, columns, width = 3, 5, 8
    table = sincos(rows, columns, width)
    for row in range(rows):
        for column in range(columns):
            waves = [10_000 ** (-4 * i / width) for i in range(width // 4)]
            expected = [f(place * wave) for place in (row, column) for f in (math.sin, math.cos) for wave in waves]
            torch.testing.assert_close(table[row * columns + column], torch.tensor(expected))


def test_fixed_positions_are_saved_but_not_trained():
    learned, fixed = ViT((1, 8, 8), 5, positions="learned"), ViT((1, 8, 8), 5, positions="sincos")
    assert list(learned.state_dict()) == list(fixed.state_dict())
    trained = [{name for name, _ in model.named_parameters()} for model in (learned, fixed)]
    assert trained[0] - trained[1] == {"net.0.positions"}


@pytest.mark.parametrize(
    ("shape", "patch_size", "count"),
    [((1, 28, 28), 4, 49), ((3, 32, 32), 4, 64), ((1, 28, 28), 7, 16), ((3, 8, 12), 4, 6), ((1, 6, 4), 1, 24)],
    ids=str,
)
def test_a_token_sees_its_patch_only(shape, patch_size, count):
    tokens = Tokens(shape, patch_size, 8, "learned")
    x = torch.zeros(1, *shape)
    before = tokens(x)
    assert before.shape == (1, count, 8)
    columns = shape[2] // patch_size
    for token in range(count):
        top, left = token // columns * patch_size, token % columns * patch_size
        x = torch.zeros(1, *shape)
        x[:, :, top : top + patch_size, left : left + patch_size] = 1
        changed = (tokens(x) != before).any(2).nonzero()[:, 1].tolist()
        assert changed == [token]


def test_the_scale_of_the_first_weights_does_not_matter():
    tokens = Tokens((1, 8, 8), 4, 8, "sincos").double()
    assert tokens.patches.bias is not None
    nn.init.zeros_(tokens.patches.bias)
    x = torch.randn(2, 1, 8, 8, dtype=torch.double)
    before = tokens(x)
    with torch.no_grad():
        tokens.patches.weight.mul_(100)
    # the norm's eps of 1e-5 is all that tells them apart
    torch.testing.assert_close(tokens(x), before, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("mlp_ratio", [2, 1.5])
def test_parameters_by_formula(mlp_ratio):
    channels, patch, tokens, width, depth, classes = 3, 4, 6, 12, 3, 7
    hidden = int(mlp_ratio * width)
    embedding = channels * patch**2 * width + width + 2 * width + tokens * width
    attention = 4 * width**2 + 3 * width  # the keys have no bias
    mlp = width * hidden + hidden + hidden * width + width
    block = attention + mlp + 2 * 2 * width
    expected = embedding + depth * block + 2 * width + width * classes + classes
    model = ViT((3, 8, 12), classes, patch, width, depth, heads=3, mlp_ratio=mlp_ratio)
    assert sum(parameter.numel() for parameter in model.parameters()) == expected


def test_dropout_is_for_training_only():
    plain, dropping = ViT((1, 8, 8), 5), ViT((1, 8, 8), 5, dropout=0.3)
    # the layers that drop have no weights: the same tensors in the same order
    dropping.load_state_dict(dict(zip(dropping.state_dict(), plain.state_dict().values(), strict=True)))
    x = torch.randn(4, 1, 8, 8)
    assert not dropping(x).equal(dropping(x))
    assert dropping.eval()(x).equal(plain(x))


@pytest.mark.parametrize("positions", KINDS)
def test_the_network_can_be_traced(positions):
    model = ViT((1, 28, 28), 10, positions=positions, dropout=0.1).eval()
    x = torch.randn(3, 1, 28, 28)
    assert symbolic_trace(model.net)(x).equal(model(x))
    assert model(x[:0]).shape == (0, 10)  # a device for which no image is left over


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            {"patch_size": 5},
            "side of a patch in --model.patch_size: expected one of 1, 2, 4, 7, 14, 28 for images of 28 × 28,"
            " found 5. Try: --model.patch_size 4",
        ),
        (
            {"width": 64, "heads": 6},
            "width in --model.width: expected a multiple of 6 for 6 heads and learned positions, found 64."
            " Try: --model.width 66",
        ),
        (
            {"width": 66, "heads": 6, "positions": "sincos"},
            "width in --model.width: expected a multiple of 12 for 6 heads and sincos positions, found 66."
            " Try: --model.width 72",
        ),
        ({"heads": 0}, "size in --model.heads: expected at least 1, found 0. Try: --model.heads 4"),
        ({"depth": 0}, "size in --model.depth: expected at least 1, found 0"),
        ({"mlp_ratio": 0.001}, "size in --model.mlp_ratio × --model.width: expected at least 1, found 0"),
    ],
    ids=str,
)
def test_sizes_that_do_not_fit_say_which_do(flags, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        ViT((1, 28, 28), 10, **flags)


def proposed(error: pytest.ExceptionInfo[ValueError]) -> int:
    found = re.search(r"Try: --model\.\w+ (\d+)$", str(error.value))
    assert found
    return int(found[1])


@pytest.mark.parametrize("sides", [(28, 28), (32, 32), (8, 12), (19, 26)])
def test_what_is_proposed_in_place_of_a_patch_fits(sides):
    for size in range(-1, 40):
        if size > 0 and all(side % size == 0 for side in sides):
            check_patches((1, *sides), size)
            continue
        with pytest.raises(ValueError) as error:
            check_patches((1, *sides), size)
        assert all(side % proposed(error) == 0 for side in sides)


@pytest.mark.parametrize("positions", KINDS)
def test_what_is_proposed_in_place_of_a_width_fits(positions):
    for heads in range(1, 9):
        for width in range(1, 40):
            if width % heads == 0 and (positions == "learned" or width % 4 == 0):
                check_heads(width, heads, positions)
                continue
            with pytest.raises(ValueError) as error:
                check_heads(width, heads, positions)
            check_heads(proposed(error), heads, positions)
