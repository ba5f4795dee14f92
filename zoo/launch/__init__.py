"""Processes: what starts them, on which devices, under SLURM, one after the other in a study."""
