"""What the verb `describe` does: the layers of a network, its numbers, and advice from them."""
