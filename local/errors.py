"""The one error that users of `local` see: a sentence that names what failed and what to do, never a traceback."""


class LocalError(Exception):
    """Something went wrong that its message explains to the user."""
