"""What is read from JSON that somebody else wrote, with the type that it must have. Each raises ValueError."""


def read_number(value: object) -> int:
    """A whole number; true and false are none."""
    if type(value) is not int:
        raise ValueError(f"{value!r} is no number")
    return value


def read_text(value: object) -> str:
    """A text."""
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no text")
    return value
