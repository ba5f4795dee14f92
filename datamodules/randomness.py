"""Random numbers as a function of what they are for, not of a generator's hidden state.

A draw is named by the run's seed, its purpose and the epoch, and the name alone gives the numbers. So a resumed run
draws what the uninterrupted run would have drawn, whatever happened in between and on however many devices.
"""

from typing import Literal

import numpy as np
import torch

PURPOSES = {"order": 1, "augment": 2, "pixels": 3, "balance": 4}


def generator(seed: int, purpose: Literal["order", "augment", "pixels", "balance"], epoch: int = 0) -> torch.Generator:
    """A fresh CPU generator for the draw of this name.

    NumPy's SeedSequence mixes the parts, so that neighbouring seeds and epochs have nothing in common; its output is
    the same in every version and on every machine.
    """
    state = np.random.SeedSequence((seed, PURPOSES[purpose], epoch)).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0] >> np.uint64(1)))
