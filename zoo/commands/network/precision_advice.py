"""Which `--trainer.precision` is the fastest that keeps the accuracy, on this machine and for this network?

Microseconds of training per image, from 32-true to bf16-mixed, measured on a processor with AVX512-BF16, one thread:
FastNet on CIFAR-10 6313 to 3606, ResNet of 20 layers 2931 to 1822, ConvNet on MNIST 1825 to 1055, small ViT 476 to 331,
MLP 1024-1024 158 to 87, LeNet 105 to 97, MLP 784-256-10 16 to 12, but softmax regression 3.2 to 3.9. Where the
processor has no such products they are emulated, and slower.
"""

from typing import NamedTuple

import torch

LEAST = 100_000  # multiply-adds of an image from which on the products outweigh the casts around them


class Advice(NamedTuple):
    """A value for `--trainer.precision`.

    Attributes:
        recommended: the value.
        because: the reason, in words.
    """

    recommended: str
    because: str


class Machine(NamedTuple):
    """What decides.

    Attributes:
        gpu: name of the first GPU that a trainer would take, empty if there is none.
        bfloat16: whether it, or else the processor, multiplies numbers of 16 bits faster than those of 32.
    """

    gpu: str
    bfloat16: bool


def this_machine() -> Machine:
    """What there is here."""
    if torch.cuda.is_available():
        return Machine(torch.cuda.get_device_name(0), torch.cuda.is_bf16_supported(including_emulation=False))
    able = torch.cpu.get_capabilities()
    return Machine("", bool(able.get("avx512_bf16") or able.get("amx_tile")))


def advise(multiply_adds: int, machine: Machine) -> Advice:
    """The advice for a network of so many multiply-adds per image."""
    where = machine.gpu or "this processor"
    if not machine.bfloat16:
        return Advice("32-true", f"{where} has no fast products of bfloat16")
    if multiply_adds < LEAST:
        return Advice("32-true", "in so small a network casting costs more than it saves")
    return Advice("bf16-mixed", f"products of bfloat16 are fast on {where}")
