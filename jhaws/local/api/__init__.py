"""The Kubernetes API: objects, their rules, and the server that speaks HTTP."""
