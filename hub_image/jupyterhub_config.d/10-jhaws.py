from jhaws.hub import configure

configure(c)  # noqa: F821  # z2jh defines c before it runs this file
