"""A run that goes on: what is kept of it, whether it is the same, how its state is taken up again."""
