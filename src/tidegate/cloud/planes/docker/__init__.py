"""Containers on any engine that speaks Docker's API: networks, images, pods. https://docs.docker.com/reference/api/engine/"""
