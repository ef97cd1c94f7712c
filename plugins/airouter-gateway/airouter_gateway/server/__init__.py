"""The server: pure ASGI, since every chunk of every stream comes by here."""
