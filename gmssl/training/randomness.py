"""Randomness without state: each step's is a function of where in the run it stands."""

from __future__ import annotations

import numpy as np
import torch


def reseed(seed: int, epoch: int, batch: int, rank: int, device: torch.device) -> torch.Generator:
    """A generator for one forward pass, and torch's global one (dropout, stochastic depth) seeded alike.

    The seeds are hashed (numpy's SeedSequence) from their origin, so that a resumed run draws what an uninterrupted
    one would have drawn, without any generator state in the checkpoint.
    """
    own, common = np.random.SeedSequence((seed, epoch, batch, rank)).generate_state(2, np.uint64).tolist()
    torch.manual_seed(common >> 1)
    generator = torch.Generator(device=device)
    generator.manual_seed(own >> 1)
    return generator
