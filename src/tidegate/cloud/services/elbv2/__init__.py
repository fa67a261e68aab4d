"""Elastic Load Balancing, version 2: application load balancers on Envoy."""
