"""A run's life outside the network: its command, folder, checkpoints, records, figures and errors."""
