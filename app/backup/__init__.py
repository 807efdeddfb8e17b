"""Snapshots of etcd that are known to restore, and the log of every revision between them."""
