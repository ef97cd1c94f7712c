"""Whatever answers is a flow: its steps, the drivers that perform them, and the exchange of one request."""
