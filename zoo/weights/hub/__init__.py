"""Weights on the Hugging Face Hub, through its own client: addresses, what is fetched, what is pushed."""
