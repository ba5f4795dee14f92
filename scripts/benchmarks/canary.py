"""Is the machine quiet? A short matrix product and a short copy, whose speed depends on nothing that is measured.

    canary(clock) -> {"gemm": GFLOP/s, "copy": GB/s}      before and after each contender
    peaks(clock)  -> the best of several, of convolutions, too, and in bfloat16: what floors are reckoned with

Speeds are per second of the clock that the contenders are measured with.
"""

import time
from collections.abc import Callable

import torch
import torch.nn.functional as F

SIDE = 1024  # of the matrices: 2 · 1024³ FLOP, a hundredth of a second on one core
COPIED = 64 << 20  # bytes, twice the largest cache that is common
LEAST = 0.1  # seconds of each
TRIES = 5
CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "processor": time.process_time}


def speed(work: Callable[[], object], amount: float, clock: str) -> float:
    """Amount per second of a piece of work that is repeated for a tenth of a second."""
    now = CLOCKS[clock]
    work()
    start, count = now(), 0
    while (seconds := now() - start) < LEAST or not count:
        work()
        count += 1
    return count * amount / seconds


def gemm(clock: str, dtype: torch.dtype = torch.float32) -> float:
    """GFLOP/s of a matrix product, with the threads that torch has now."""
    a = torch.ones(SIDE, SIDE, dtype=dtype)
    out = torch.empty_like(a)
    return speed(lambda: torch.mm(a, a, out=out), 2 * SIDE**3 / 1e9, clock)


def convolution(clock: str, dtype: torch.dtype = torch.float32) -> float:
    """GFLOP/s of a large convolution, which another library computes, and on some machines faster."""
    x = torch.ones(16, 256, 16, 16, dtype=dtype).to(memory_format=torch.channels_last)
    kernel = torch.ones(256, 256, 3, 3, dtype=dtype).to(memory_format=torch.channels_last)
    with torch.no_grad():
        return speed(lambda: F.conv2d(x, kernel, padding=1), 2 * x.numel() * 256 * 9 / 1e9, clock)


def copy(clock: str) -> float:
    """GB/s of a copy in memory, bytes read and bytes written counted."""
    a = torch.zeros(COPIED, dtype=torch.uint8)
    b = torch.zeros_like(a)
    return speed(lambda: b.copy_(a), 2 * COPIED / 1e9, clock)


def canary(clock: str) -> dict[str, float]:
    """How fast the machine is now."""
    return {"gemm": round(gemm(clock), 1), "copy": round(copy(clock), 2)}


def peaks(clock: str) -> dict[str, float]:
    """The best of a few tries, by precision; the machine can do at least this."""
    types = {"32-true": torch.float32, "bf16-mixed": torch.bfloat16}
    found = {
        name: max(product(clock, dtype) for product in (gemm, convolution) for _ in range(TRIES))
        for name, dtype in types.items()
    }
    found["copy"] = max(copy(clock) for _ in range(TRIES))
    return {name: round(value, 1) for name, value in found.items()}
