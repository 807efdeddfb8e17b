"""The NFS client of the local cluster's nodes: a program, because a kernel may have none."""
