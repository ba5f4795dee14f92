"""Protects ResNet: it is torchvision's and the paper's where they are defined, and says which depths there are."""

import re

import pytest
import torch
from torch import nn
from torchvision.models import resnet18
from torchvision.models.resnet import BasicBlock

from zoo.nn.resnet import Block, check_depth
from zoo.resnet import ResNet


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def copy_weights(source: nn.Module, target: nn.Module) -> None:
    """Both hold the same tensors in the same order, under names of their own."""
    target.load_state_dict(dict(zip(target.state_dict(), source.state_dict().values(), strict=True)))


def count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def test_the_default_is_the_18_layer_network_of_torchvision():
    model = ResNet((3, 32, 32), 10).eval()
    assert count(model) == 11_173_962
    reference = resnet18(num_classes=10)
    reference.conv1, reference.maxpool = nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.Identity()  # for small images
    copy_weights(model.net, reference)
    x = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(model(x), reference.eval()(x))


@pytest.mark.parametrize(
    ("depth", "without_projections"), [(20, 269_722), (32, 464_154), (44, 658_586), (56, 853_018), (110, 1_727_962)]
)
def test_the_small_family_has_the_parameters_of_the_paper(depth, without_projections):
    # the paper counts its CIFAR-10 networks with shortcuts that pad; projections add two 1 x 1 kernels and their norms
    projections = (16 * 32 + 2 * 32) + (32 * 64 + 2 * 64)
    assert count(ResNet((3, 32, 32), 10, depth, (16, 32, 64), init="pytorch")) == without_projections + projections


@pytest.mark.parametrize(("channels_in", "stride"), [(8, 1), (8, 2), (4, 2), (4, 1)])
def test_a_block_is_that_of_torchvision(channels_in, stride):
    ours = Block(channels_in, 8, 3, stride, "relu", "batch")
    shortcut = None
    if stride == 2 or channels_in == 4:
        shortcut = nn.Sequential(nn.Conv2d(channels_in, 8, 1, stride, bias=False), nn.BatchNorm2d(8))
    reference = BasicBlock(channels_in, 8, stride, shortcut)
    copy_weights(reference, ours)
    x = torch.randn(5, channels_in, 9, 12)
    for _ in range(2):
        assert ours(x).equal(reference(x))  # training
    assert ours.eval()(x).equal(reference.eval()(x))  # evaluation, with the statistics of the training steps before


@pytest.mark.parametrize("norm", ["none", "batch", "layer"])
def test_a_block_that_adds_nothing_is_the_identity(norm):
    block = Block(6, 6, 3, 1, "relu", norm)
    for layer in block.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.zeros_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    x = torch.randn(4, 6, 5, 5)
    assert block(x.relu()).equal(x.relu())
    assert block(x).equal(x.relu())


@pytest.mark.parametrize(
    ("shape", "sides"),
    [
        ((3, 32, 32), [(32, 32), (16, 16), (8, 8), (4, 4)]),
        ((1, 28, 28), [(28, 28), (14, 14), (7, 7), (4, 4)]),
        ((3, 8, 8), [(8, 8), (4, 4), (2, 2), (1, 1)]),
        ((1, 19, 26), [(19, 26), (10, 13), (5, 7), (3, 4)]),
        ((1, 1, 1), [(1, 1), (1, 1), (1, 1), (1, 1)]),
    ],
    ids=str,
)
@pytest.mark.parametrize("kernel_size", [1, 3, 5])
def test_maps_halve_from_stage_to_stage(shape, sides, kernel_size):
    model = ResNet(shape, 7, depth=18, channels=(2, 3, 4, 5), kernel_size=kernel_size).eval()
    maps = []
    for layer in model.net.modules():
        if isinstance(layer, Block):
            layer.register_forward_hook(lambda _layer, _x, out: maps.append(tuple(out.shape[1:])))
    assert model(torch.zeros(3, *shape)).shape == (3, 7)
    expected = [(channels, *side) for channels, side in zip((2, 3, 4, 5), sides, strict=True)]
    assert maps == [stage for stage in expected for _ in range(2)]
    assert model(torch.zeros(0, *shape)).shape == (0, 7)  # a device for which no image is left over


@pytest.mark.parametrize(("depth", "channels"), [(8, (2, 3, 4)), (20, (2, 3, 4)), (10, (2, 3, 4, 5)), (6, (2,))])
def test_depth_counts_the_layers_with_weights_on_the_main_path(depth, channels):
    model = ResNet((1, 8, 8), 10, depth, channels)
    weights = [name for name, layer in model.net.named_modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    assert len([name for name in weights if "shortcut" not in name]) == depth


@pytest.mark.parametrize(
    ("depth", "stages", "message"),
    [
        (20, 4, "expected 10, 18, 26, … for 4 stages, found 20. Try: --model.channels '[16,32,64]'"),
        (17, 4, "expected 10, 18, 26, … for 4 stages, found 17. Try: --model.depth 18"),
        (18, 3, "expected 8, 14, 20, … for 3 stages, found 18. Try: --model.depth 20"),
        (2, 3, "expected 8, 14, 20, … for 3 stages, found 2. Try: --model.depth 8"),
        (-6, 4, "expected 10, 18, 26, … for 4 stages, found -6. Try: --model.depth 10"),
    ],
)
def test_a_depth_that_does_not_fit_says_which_do(depth, stages, message):
    with pytest.raises(ValueError, match=re.escape(f"depth in --model.depth: {message}")):
        ResNet((1, 28, 28), 10, depth=depth, channels=[2] * stages)


@pytest.mark.parametrize("stages", range(1, 7))
def test_what_is_proposed_in_place_of_a_depth_fits(stages):
    refused = 0
    for depth in range(-9, 80):
        try:
            check_depth(depth, stages)
        except ValueError as error:
            refused += 1
            proposed = re.search(r"Try: --model.depth (\d+)$", str(error))
            check_depth(*(int(proposed[1]), stages) if proposed else (depth, 3))
        else:
            assert depth in range(2 + 2 * stages, 80, 2 * stages)
    assert refused == 89 - len(range(2 + 2 * stages, 80, 2 * stages))


def test_weights_lie_where_torch_computes_with_them_safely():
    """Channels last, but for what `corrupts` names."""
    narrow, usual = (ResNet((1, 28, 28), 10, depth=8, channels=[n, 2 * n, 4 * n]) for n in (4, 8))
    for model in (narrow, usual):
        model.lay_out(flat=False)
    kernels = [next(w for w in m.net.parameters() if w.ndim == 4 and w.shape[1] > 1) for m in (narrow, usual)]
    assert [kernel.is_contiguous(memory_format=torch.channels_last) for kernel in kernels] == [False, True]
