"""Untrusted files: files made to harm whoever opens them, as code that writes them."""
