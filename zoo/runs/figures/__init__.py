"""Pictures of a run and of its diagnostics."""
