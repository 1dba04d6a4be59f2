"""JupyterHub on AWS: a spawner, an authenticator and two services for any z2jh hub."""

__version__ = "0.1.0"
