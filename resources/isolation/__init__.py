"""Foreign strategy code in a process of its own that can compute and nothing else.

Read `process` first: it starts the worker and talks to it. `worker` is what runs there,
`confinement` what it gives up before it sees any foreign code, `remote_strategy` what the rest
of the project sees instead of the plugin. Everything that comes out of a worker is hostile.
"""
