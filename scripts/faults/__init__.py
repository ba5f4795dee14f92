"""Runs of the real command that are ended in every way, and what comes of them: for chaos.py and reliability.py."""
