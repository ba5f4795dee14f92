"""LightningCLI as the command uses it, for the verbs that train and score: command.py is the way through."""
