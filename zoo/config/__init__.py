"""What the user has written, and what is wrong with it in one line: parser, names, limits, the list of imports."""
