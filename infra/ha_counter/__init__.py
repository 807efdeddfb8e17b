"""A highly available counter on Kubernetes, as Pulumi components."""
