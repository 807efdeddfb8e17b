"""The NFS server that keeps the snapshots: how nfs-ganesha starts, and whether it serves."""
