"""`jhaws people`: the list of people of a hub, from the command line.

It knows the hub's REST API and nothing of the hub: no module here imports JupyterHub.
"""
