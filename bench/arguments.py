"""What a command line may say."""

import argparse


def positive(word: str) -> int:
    """A number of 1 or more. Raises argparse.ArgumentTypeError, with which argparse says what is wrong."""
    if not word.isdecimal() or int(word) == 0:
        raise argparse.ArgumentTypeError(f"{word!r} is not a number of 1 or more")
    return int(word)
