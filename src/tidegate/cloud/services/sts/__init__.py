"""STS: temporary credentials and who one is."""
