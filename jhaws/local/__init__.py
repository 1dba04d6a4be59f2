"""A small Kubernetes on one machine, for the demo and the tests; never the default anywhere else.

The API server begins at `apiserver`, its objects live in `storage`; `scheduler`, `kubelet` and `nodes` work on that
storage, and `cluster` puts them together. Loopback only: whoever reaches it starts processes as its user.
"""
