"""What is measured: one question a file, with its flags, its rounds and its part of the page."""
