"""What a stranger may send: files made to harm whoever opens them, as code that writes them."""
