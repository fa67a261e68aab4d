"""What checkov finds in the templates and why it stays as it is. A finding that is not named here fails a test."""

from __future__ import annotations

SUPPRESSED: dict[str, str] = {
    # what needs a certificate: there is one as soon as the environment has a domain
    "CKV_AWS_2": "without a domain there is no certificate, so it speaks HTTP; with one it redirects",
    "CKV_AWS_103": "the same listener: HTTP has no TLS version",
    "CKV_AWS_260": "port 80 is open to everybody: it is the public entry, or the redirect to HTTPS",
    # what costs money or somebody's decision, and what it would give
    "CKV_AWS_18": "access logs of artifact buckets would need another bucket; only two roles read and write them",
    "CKV_AWS_91": "access logs of load balancers cost storage for ever; the containers' logs tell of requests",
    "CKV_AWS_65": "Container Insights is billed by metric; ECS's own CPU and memory metrics are what scaling uses",
    "CKV_AWS_136": "a key of one's own costs 1 $ a month; ECR encrypts with its own, and accounts pull without a key",
    "CKV_AWS_158": "a key of one's own costs 1 $ a month; CloudWatch Logs encrypts with its own",
    # what checkov does not know, or what is meant so
    "CKV_AWS_51": "tags are immutable but for `latest` (IMMUTABLE_WITH_EXCLUSION, which checkov does not know)",
    "CKV_AWS_21": "artifacts are written once, under a name of their own, and expire after 30 days",
    "CKV2_AWS_71": "a wildcard certificate is made where the manifest names a wildcard domain",
}
