"""The console: pages for an administrator, made on the server. One script is others': htmx 4.0.1, 0BSD."""
