"""What the row of a service cannot say: small functions, imported when the service is first used."""
