"""The program `codebuild-hash-files` of a build: the SHA-256 of the files that patterns mean, for the key of a cache.

https://docs.aws.amazon.com/codebuild/latest/userguide/caching-s3.html#caching-s3-dynamic.codebuild-hash-files
"""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

from tidegate.cloud.services.codebuild.files import Tree


def main() -> int:
    """Print the hash of the files below the working directory; return 1 where there is none."""
    root = Path(os.environ.get("CODEBUILD_SRC_DIR", ".")).resolve()
    whole = hashlib.sha256()
    found = sorted(path for path in Tree(root, lambda _: None).files(root, sys.argv[1:]) if path.is_file())
    for path in found:
        with path.open("rb") as file:
            whole.update(
                path.relative_to(root).as_posix().encode() + b"\0" + hashlib.file_digest(file, "sha256").digest()
            )
    if not found:
        sys.stderr.write("codebuild-hash-files: no file matches\n")
        return 1
    sys.stdout.write(f"{whole.hexdigest()}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
