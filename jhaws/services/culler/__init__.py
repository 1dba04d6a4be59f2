"""The culler: a hub-managed service that stops idle servers.

`settings` holds the options, `deciding` says which server goes, `culling` stops it.
"""
