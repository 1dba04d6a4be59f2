"""How a server comes up, and how the hub knows: the cache of pods, failures, progress, and putting things right."""
