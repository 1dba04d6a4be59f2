"""Helm values before Helm sees them: read, merged, checked, explained, and the JSON Schema of our options.

`reading` makes a file into values with a line for each of them, `merging` merges files as Helm does. `checking` asks
the hub's own start-up what it would say, and z2jh's schema where its file is given; `renames` knows what keys of older
charts are called today. `schema` is made from the options, and `command` is what the terminal shows.
"""
