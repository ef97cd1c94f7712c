"""The chat-completions format: one implementation for every server that speaks it.

What a server does its own way is a field of :class:`~.dialect.ChatDialect`, or a function wrapped in its plugin.
"""
