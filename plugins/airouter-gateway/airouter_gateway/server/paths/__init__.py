"""What the server does at each path, a room for each kind of client."""
