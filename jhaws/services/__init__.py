"""Two services that the hub starts beside itself: the culler and the placeholder.

Each is a process of its own, so that neither can stall the hub, and each has the least rights that do its
job. They never import each other; what both need is in `running` (process, settings, loop) and `hubapi` (the
hub).
"""
