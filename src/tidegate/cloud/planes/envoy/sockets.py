"""Envoy's configuration of connections: how they are encrypted, and what is passed on as it comes. Pure.

https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/security/ssl and …/listeners/tcp_proxy
"""

from __future__ import annotations

from typing import Any

from tidegate.cloud.planes.envoy.config import Clients, Cluster, TcpListener, Tls

Document = dict[str, Any]

_TYPE = "type.googleapis.com/"
_TLS = "envoy.transport_sockets.tls"
_PLAIN = "envoy.transport_sockets.raw_buffer"
_PROXY = "envoy.transport_sockets.upstream_proxy_protocol"
_VERSIONS = {"TLSv1": "TLSv1_0", "TLSv1.1": "TLSv1_1", "TLSv1.2": "TLSv1_2", "TLSv1.3": "TLSv1_3"}
_CLIENT = "tidegate.client"
_CONNECT_ATTEMPTS = 2
_NOBODY = "nobody"  # a cluster that is none: connections to it are closed


def tls_socket(tls: Tls) -> Document:
    """Return how a listener's connections are encrypted."""
    parameters: Document = {
        "tls_minimum_protocol_version": _VERSIONS[tls.oldest],
        "tls_maximum_protocol_version": _VERSIONS[tls.newest],
    }
    if tls.ciphers:
        parameters["cipher_suites"] = list(tls.ciphers)
    if tls.curves:
        parameters["ecdh_curves"] = list(tls.curves)
    clients = tls.clients
    return {
        "name": _TLS,
        "typed_config": {
            "@type": f"{_TYPE}envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            "require_client_certificate": clients is not None and clients.authorities is not None,
            "common_tls_context": {
                **({} if clients is None else {"validation_context": _validation(clients)}),
                "tls_params": parameters,
                "tls_certificates": [
                    {"certificate_chain": {"filename": each.chain}, "private_key": {"filename": each.key}}
                    for each in tls.certificates
                ],
                "alpn_protocols": list(tls.protocols),
            },
        },
    }


def _validation(clients: Clients) -> Document:
    if clients.authorities is not None:
        trusted = {"inline_string": clients.authorities}
        return {"trusted_ca": trusted, "allow_expired_certificate": clients.expired}
    # a hash that no certificate has makes Envoy ask for one, and then take any; without naming authorities
    return {"verify_certificate_hash": ["0" * 64], "trust_chain_verification": "ACCEPT_UNTRUSTED"}


def client_filters(clients: Clients, name: str) -> list[Document]:
    """Return what closes the connections of clients whose certificates are revoked: nobody, where none is.

    Envoy's own revocation lists are all or nothing: with one of them, every authority has to have one.
    """
    refused = [{"exact": each} for each in clients.revoked if not each.startswith("|")]
    refused += [{"suffix": each} for each in clients.revoked if each.startswith("|")]
    refused += [{"prefix": f"{each}|"} for each in clients.untrusted]
    if not refused:
        return []
    text = {"text_format_source": {"inline_string": "%DOWNSTREAM_PEER_ISSUER%|%DOWNSTREAM_PEER_SERIAL%"}}
    state = {"object_key": _CLIENT, "factory_key": "envoy.string", "format_string": text}
    principals = [{"filter_state": {"key": _CLIENT, "string_match": each}} for each in refused]
    policy = {"permissions": [{"any": True}], "principals": principals}
    return [
        {
            "name": "envoy.filters.network.set_filter_state",
            "typed_config": {
                "@type": f"{_TYPE}envoy.extensions.filters.network.set_filter_state.v3.Config",
                "on_downstream_tls_handshake": [state],
            },
        },
        {
            "name": "envoy.filters.network.rbac",
            "typed_config": {
                "@type": f"{_TYPE}envoy.extensions.filters.network.rbac.v3.RBAC",
                "stat_prefix": f"{name}.",
                "rules": {"action": "DENY", "policies": {"revoked": policy}},
            },
        },
    ]


def upstream_socket(each: Cluster) -> Document | None:
    """Return how connections to a cluster's endpoints are made, or None where they are plain."""
    socket: Document = {
        "name": _PLAIN,
        "typed_config": {"@type": f"{_TYPE}envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer"},
    }
    if each.tls:
        context: Document = {"tls_params": {"tls_minimum_protocol_version": "TLSv1_0"}}
        if each.protocol != "tcp":
            context["alpn_protocols"] = ["h2" if each.protocol == "http2" else "http/1.1"]
        socket = {
            "name": _TLS,
            "typed_config": {
                "@type": f"{_TYPE}envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
                "common_tls_context": context,
                "allow_renegotiation": True,
            },
        }
    if each.proxy_protocol:
        return {
            "name": _PROXY,
            "typed_config": {
                "@type": f"{_TYPE}envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport",
                "config": {"version": "V2"},
                "transport_socket": socket,
            },
        }
    return socket if each.tls else None


def tcp_proxy(each: TcpListener) -> Document:
    """Return what passes a listener's connections on."""
    choices = [choice for choice in each.choices if choice.weight]
    target: Document
    if len(choices) > 1:
        weighted = [{"name": choice.cluster, "weight": choice.weight} for choice in choices]
        target = {"weighted_clusters": {"clusters": weighted}}
    else:
        target = {"cluster": choices[0].cluster if choices else _NOBODY}
    return {
        "@type": f"{_TYPE}envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
        "stat_prefix": each.name,
        "idle_timeout": f"{each.idle:g}s",
        "max_connect_attempts": _CONNECT_ATTEMPTS,
        **({"hash_policy": [{"source_ip": {}}]} if each.by_source else {}),
        **target,
    }
