"""A highly available counter over HTTP, which keeps its count in etcd."""
