"""A real Kubernetes for tests and benchmarks: `make kube` builds it, `controlplane` runs it, `sharing` shares it."""
