"""A real Kubernetes on this machine, and the way to deploy the Pulumi program to it without the Pulumi CLI."""
