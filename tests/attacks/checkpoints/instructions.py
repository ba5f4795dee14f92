"""A few of the instructions that a pickle consists of, as bytes."""


def text(value: str) -> bytes:
    """The instruction that makes a string."""
    return b"X" + len(value.encode()).to_bytes(4, "little") + value.encode()


def put(place: int) -> bytes:
    """The instruction that remembers a value."""
    return b"r" + (10**6 + place).to_bytes(4, "little")


def get(place: int) -> bytes:
    """The instruction that brings it back."""
    return b"j" + (10**6 + place).to_bytes(4, "little")
