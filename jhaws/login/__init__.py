"""Who may enter the hub: `authenticator.py` asks `allowlist.py` (the name) and `keyring.py` (the password)."""
