"""How a call to etcd may fail."""


class EtcdUnavailableError(Exception):
    """etcd did not answer. A transaction may have been applied, or may still be. The text says why, for the log."""


class EtcdRefusedError(Exception):
    """etcd said that this attempt has not been applied and will not be. The text is etcd's own."""


class LeaseNotFoundError(EtcdRefusedError):
    """The lease has ended."""


class CompactedError(EtcdRefusedError):
    """etcd no longer knows, or does not know yet, what was at that revision."""
