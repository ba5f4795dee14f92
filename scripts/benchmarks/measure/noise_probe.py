"""Is the machine quiet? A short matrix product and a short copy, whose speed depends on nothing that is measured.

    probe(options)         -> what gives a sample, {"gemm": GFLOP/s, "copy": GB/s}, before and after each program
    peaks(clock, device)   -> the best of several, of convolutions, too, and in bfloat16: the roofline's
    launch(device)         -> seconds of a tiny operation in a row of them: no small network is faster

Speeds are per second of the clock that the programs are measured with; a GPU is waited for at both ends.
"""

import time
from argparse import Namespace
from collections.abc import Callable

import torch
import torch.nn.functional as F

SIDES = {"cpu": 1024, "cuda": 8192}  # of the matrices: 2 · 1024³ FLOP, a hundredth of a second on one core
COPIED = {"cpu": 64 << 20, "cuda": 1 << 30}  # bytes, more than twice the largest cache that is common
ROW = 1000  # tiny operations in a row
LEAST = 0.1  # seconds of each
TRIES = 5
CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "processor": time.process_time}


def wait(device: str) -> None:
    """Until a GPU has done all that it was given; a CPU already has."""
    if device == "cuda":
        torch.cuda.synchronize()


def speed(work: Callable[[], object], amount: float, clock: str, device: str = "cpu") -> float:
    """Amount per second of a piece of work that is repeated for a tenth of a second."""
    now = CLOCKS[clock]
    work()
    wait(device)
    start, count = now(), 0
    while (seconds := now() - start) < LEAST or not count:
        work()
        wait(device)
        count += 1
    return count * amount / seconds


def gemm(clock: str, dtype: torch.dtype = torch.float32, device: str = "cpu") -> float:
    """GFLOP/s of a matrix product, with the threads that torch has now."""
    side = SIDES[device]
    a = torch.ones(side, side, dtype=dtype, device=device)
    out = torch.empty_like(a)
    return speed(lambda: torch.mm(a, a, out=out), 2 * side**3 / 1e9, clock, device)


def convolution(clock: str, dtype: torch.dtype = torch.float32, device: str = "cpu") -> float:
    """GFLOP/s of a large convolution, which another library computes, and on some machines faster."""
    x = torch.ones(16 * SIDES[device] // SIDES["cpu"], 256, 16, 16, dtype=dtype, device=device)
    x = x.to(memory_format=torch.channels_last)
    kernel = torch.ones(256, 256, 3, 3, dtype=dtype, device=device).to(memory_format=torch.channels_last)
    with torch.no_grad():
        return speed(lambda: F.conv2d(x, kernel, padding=1), 2 * x.numel() * 256 * 9 / 1e9, clock, device)


def copy(clock: str, device: str = "cpu") -> float:
    """GB/s of a copy in memory, bytes read and bytes written counted."""
    a = torch.zeros(COPIED[device], dtype=torch.uint8, device=device)
    b = torch.zeros_like(a)
    return speed(lambda: b.copy_(a), 2 * COPIED[device] / 1e9, clock, device)


def launch(device: str = "cpu") -> float:
    """Seconds of one tiny operation among many in a row."""
    a = torch.zeros(8, device=device)

    def row() -> None:
        for _ in range(ROW):
            a.add_(1.0)

    return 1 / speed(row, ROW, "wall", device)


def probe(options: Namespace) -> Callable[[], dict[str, float]]:
    """What measures how fast the machine is now, by the clock and on the device of the options."""
    clock, device = options.clock, options.device
    return lambda: {"gemm": round(gemm(clock, device=device), 1), "copy": round(copy(clock, device), 2)}


def peaks(clock: str, device: str = "cpu") -> dict[str, float]:
    """The best of a few tries, by precision; the machine can do at least this."""
    types = {"32-true": torch.float32, "bf16-mixed": torch.bfloat16}
    found = {
        name: max(product(clock, dtype, device) for product in (gemm, convolution) for _ in range(TRIES))
        for name, dtype in types.items()
    }
    found["copy"] = max(copy(clock, device) for _ in range(TRIES))
    return {name: round(value, 1) for name, value in found.items()}
