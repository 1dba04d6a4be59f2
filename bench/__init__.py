"""The benchmark: stock KubeSpawner and JhawsSpawner side by side, on the same API server, in the same run.

`python -m bench` (or `make bench`) runs the scenarios one after the other and prints one table. Each side is a
process of its own (`worker`), told what to do over a pipe (`sides`), so that neither waits for the other's event
loop. What is measured is KubeSpawner's and JhawsSpawner's own code; only the nodes are played (`kubelet`).
"""
