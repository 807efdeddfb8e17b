"""What a command line may say."""

import argparse


def positive(word: str) -> int:
    """A number of 1 or more. Raises argparse.ArgumentTypeError, with which argparse says what is wrong."""
    return _number(word, least=1)


def natural(word: str) -> int:
    """A number of 0 or more. Raises argparse.ArgumentTypeError."""
    return _number(word, least=0)


def _number(word: str, least: int) -> int:
    if not word.isdecimal() or int(word) < least:
        raise argparse.ArgumentTypeError(f"{word!r} is not a number of {least} or more")
    return int(word)
