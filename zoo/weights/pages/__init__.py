"""What people read of a card: README.md, and the text that a terminal shows."""
