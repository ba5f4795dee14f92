"""One training: the LightningModule, its counts, and the callbacks that every run has."""
