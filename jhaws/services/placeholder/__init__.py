"""The placeholder: a hub-managed service that keeps seats warm with pods that give way to real servers.

`settings` holds the options, `seats` says which pods there should be, `kubeapi` reads and writes them, `keeping`
is the loop.
"""
