"""The services, by what they are: makers of models, hosts of open models, clouds, servers of one's own."""
