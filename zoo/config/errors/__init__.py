"""The one line of an error in the options, or of a library under an option."""
