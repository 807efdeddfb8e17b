"""Whether the counter stays exact and stays up, whatever fails: faults put in while clients increment."""
