"""The password for a CodeCommit repository: a signature, good for a few minutes.

It is what the AWS CLI's credential helper and git-remote-codecommit make: Signature Version 4 over the method `GIT`,
the repository's path and the host without its port; the time stamp is written without `Z`.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import hashlib
import hmac
import time
from urllib.parse import urlsplit

from tidegate.deploy.session import Keys


def git_password(url: str, keys: Keys) -> tuple[str, str]:
    """Return user name and password for the repository at `url`."""
    parts = urlsplit(url)
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
    scope = (stamp[:8], keys.region, "codecommit", "aws4_request")
    canonical = f"GIT\n{parts.path}\n\nhost:{parts.hostname}\n\nhost\n"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    key = f"AWS4{keys.secret_key}".encode()
    for part in (*scope, f"AWS4-HMAC-SHA256\n{stamp}\n{'/'.join(scope)}\n{digest}"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    user = keys.access_key + (f"%{keys.token}" if keys.token else "")
    return user, f"{stamp}Z{key.hex()}"
