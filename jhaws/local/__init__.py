"""A small Kubernetes on one machine, for the demo and the tests; never the default anywhere else.

`api` is the API server and its objects, `scheduling` the scheduler and the nodes, `kubelet` runs pods as processes;
they meet in the storage of `api` and nowhere else, and `cluster` puts them together. `demo` runs a hub on it. Loopback
only: whoever reaches it starts processes as its user.
"""
