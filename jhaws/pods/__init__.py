"""What is in a pod: pure functions that decide, and one that merges their answers into KubeSpawner's manifest."""
