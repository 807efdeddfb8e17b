"""How an etcd member starts."""
