"""A real Kubernetes for tests and benchmarks, which `make kube` builds.

`controlplane` runs one without nodes, `sharing` shares it; `node` runs one that runs pods.
"""
