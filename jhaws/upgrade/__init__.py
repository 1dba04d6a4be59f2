"""What an upgrade would change for each user, told before it is done.

`users` reads who is on the hub, `setups` makes of values what a hub would be, `servers` and `logins` ask KubeSpawner's
and the authenticator's own code what a user has under one setup, `comparing` puts two of them side by side, and
`command` is what the terminal shows. Nothing on the hub or the cluster is changed.
"""
