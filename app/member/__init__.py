"""How an etcd member starts and stops. Standard library only: its image holds nothing else."""
