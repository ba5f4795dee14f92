"""What the verbs `study` and `recipe` do."""
