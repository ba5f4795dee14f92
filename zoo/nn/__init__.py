"""What networks are made of: layers by name, initialisers, whitening."""
