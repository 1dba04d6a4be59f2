"""Which node a pod runs on, and how many nodes there are."""
