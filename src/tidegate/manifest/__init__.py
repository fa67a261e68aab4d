"""tidegate.yml, read into frozen models; every error starts with the path of the key."""
