"""What backup can't do for those who ask. Each error's text is for them."""


class SnapshotError(Exception):
    """No snapshot could be taken and saved. The text says why."""


class UnknownSnapshotError(Exception):
    """There is no such snapshot, or none that can be restored. The text names what was asked for, and what there is."""


class BadSnapshotError(Exception):
    """What was uploaded is no snapshot that etcd can be restored from. The text says why."""
