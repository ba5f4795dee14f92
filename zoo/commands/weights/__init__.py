"""What the verbs `predict`, `export` and `weights` do, and others where their first word is `NAME | RUN | DIR`."""
