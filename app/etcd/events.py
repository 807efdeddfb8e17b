"""What happens between a process and etcd, for whoever wants to know."""


class EtcdEvents:
    """Called when something has happened, by many threads. Here nobody wants to know: derive from this to do so."""

    def etcd_call_failed(self, reason: str) -> None:
        """A call to etcd was refused or not answered. `reason` is one of few."""

    def etcd_failed_over(self) -> None:
        """Another member of etcd answers than before."""
