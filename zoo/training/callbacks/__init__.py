"""Callbacks that every run has, or that stand in the place of Lightning's; the diagnostics are in `zoo/callbacks/`."""
