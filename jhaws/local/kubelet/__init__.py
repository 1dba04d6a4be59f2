"""Pods as processes of this machine: containers, volumes, hooks, probes, and the end of them all."""
