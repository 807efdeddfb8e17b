"""The end of a process that has lost a thread."""

import logging
import os
import threading


def end_process_with_any() -> None:
    """End this process when one of its threads fails: it would be of no use, and would not show it."""
    threading.excepthook = _end_process


def _end_process(failure: threading.ExceptHookArgs) -> None:
    name = failure.thread.name if failure.thread else "unknown"
    logging.critical("the thread %r failed, and the process ends with it", name, exc_info=failure.exc_value)
    os._exit(1)
