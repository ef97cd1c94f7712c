"""A plugin module that asks the network."""

import socket

with socket.socket() as _socket:
    _socket.connect_ex(("127.0.0.1", 9))
