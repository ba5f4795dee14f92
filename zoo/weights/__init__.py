"""Weights that leave the zoo: their files and cards, and networks that answer without training."""
