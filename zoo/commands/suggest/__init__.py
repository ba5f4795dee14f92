"""The verb `suggest`: a short measured search for a model and its settings, for these data on this machine."""
