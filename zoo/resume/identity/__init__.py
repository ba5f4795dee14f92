"""What is this run? One record of everything its numbers depend on, and how two such records differ.

    RUN/identity.json and `identity` in each of its checkpoints:
        {"schema": 1, "config": {seed_everything, trainer, data, model},
         "data": {"arrays", "splits", "images", "batch_size", "classes", "mean", "std", "pixels"},
         "code": {"commit", "changes", "source"}, "versions": {…},
         "place": {"device", "devices", "threads", "processor"}, "precision": "32-true",
         "weights": {"given", "name", "sha256"}}      of those that it started from, if it did

    compare(then, now)  ->  [Change("data.normalize", "standard", "none", "another experiment"), …]

Whoever asks whether two runs are the same asks here: a run that goes on, weights that are scored, a run that is
repeated.
"""
