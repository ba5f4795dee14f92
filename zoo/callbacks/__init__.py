"""One file = one question about a training run, or one service to it."""
