"""The local cloud: a daemon that answers the AWS APIs and makes every resource real."""
