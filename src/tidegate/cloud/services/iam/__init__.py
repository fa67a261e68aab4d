"""IAM: who may do what. Users, roles, policies and their evaluation on every call."""
