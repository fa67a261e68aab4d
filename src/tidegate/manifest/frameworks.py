"""What an application without a Dockerfile is made with, and the Dockerfile that fits it.

Each ends on SIGTERM (the exec form: the program itself is process 1), runs as somebody without rights where the image
allows, and starts from Amazon's copy of Docker's official images, which has no rate limit for builds on AWS.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

_IMAGES = "public.ecr.aws/docker/library"
_MOST_FILES, _LONGEST_FILE = 300, 200_000
_PYTHON_FILES = ("requirements.txt", "pyproject.toml", "Pipfile", "setup.py")
_IGNORED = (
    ".git\n.env\n.venv\nvenv\nnode_modules\n__pycache__\nDockerfile\n.dockerignore\ntidegate.yml\nbuildspec.yml\n"
)


@dataclass(frozen=True, slots=True)
class Framework:
    """What an application is made with: a name, the port that it will listen on, and the files that are missing."""

    name: str
    port: int
    dockerfile: str
    dockerignore: str = _IGNORED


def framework_of(root: Path) -> Framework | None:
    """Return what the application at a repository's root is made with; None where nothing is recognised."""
    return next((found for recognise in _RECOGNISED if (found := recognise(root)) is not None), None)


def _django(root: Path) -> Framework | None:
    if not (root / "manage.py").is_file():
        return None
    package = next((path.parent.name for path in sorted(root.glob("*/wsgi.py"))), None)
    return None if package is None else _python(root, "Django", "gunicorn", _gunicorn(f"{package}.wsgi"))


def _fastapi(root: Path) -> Framework | None:
    found = _application(root, r"^(\w+)\s*(?::\s*\w+\s*)?=\s*(?:fastapi\.)?FastAPI\(")
    if found is None:
        return None
    return _python(root, "FastAPI", "uvicorn", ["uvicorn", "--host=0.0.0.0", "--port=8000", found])


def _flask(root: Path) -> Framework | None:
    found = _application(root, r"^(\w+)\s*(?::\s*\w+\s*)?=\s*(?:flask\.)?Flask\(")
    if found is None:
        factory = _application(root, r"^def (create_app)\(")
        if factory is None or not any("flask" in _text(root / name).lower() for name in _PYTHON_FILES):
            return None
        found = f"{factory}()"
    return _python(root, "Flask", "gunicorn", _gunicorn(found))


def _gunicorn(application: str) -> list[str]:
    return ["gunicorn", "--bind=0.0.0.0:8000", application]


def _python(root: Path, name: str, server: str, command: list[str]) -> Framework:
    if (root / "requirements.txt").is_file():
        install = f"COPY requirements.txt .\nRUN pip install --no-cache-dir -r requirements.txt {server}\nCOPY . .\n"
    elif (root / "pyproject.toml").is_file() or (root / "setup.py").is_file():
        install = f"COPY . .\nRUN pip install --no-cache-dir . {server}\n"
    else:
        install = f"RUN pip install --no-cache-dir {name.lower()} {server}\nCOPY . .\n"
    text = (
        f"FROM {_IMAGES}/python:3.13-slim\nWORKDIR /app\nENV PYTHONUNBUFFERED=1\n{install}"
        f"RUN useradd --system app\nUSER app\nEXPOSE 8000\n"
    )
    return Framework(name, 8000, text + _command(command))


def _node(root: Path) -> Framework | None:
    try:
        package = json.loads(_text(root / "package.json") or "{}")
    except ValueError:
        return None
    scripts = package.get("scripts", {})
    main = package.get("main", "")
    start = scripts.get("start") or (f"node {main}" if main and (root / main).is_file() else "")
    if not start:
        main = next((name for name in ("server.js", "index.js", "app.js") if (root / name).is_file()), "")
        start = f"node {main}" if main and (root / "package.json").is_file() else ""
    if not start:
        return None
    clean = "npm ci" if (root / "package-lock.json").is_file() else "npm install"
    if "build" in scripts:
        install = f"RUN {clean}\nCOPY . .\nRUN npm run build && npm prune --omit=dev\n"
    else:
        install = f"RUN {clean} --omit=dev\nCOPY . .\n"
    text = (
        f"FROM {_IMAGES}/node:22-slim\nWORKDIR /app\nCOPY package*.json ./\n{install}"
        f"ENV NODE_ENV=production PORT=3000\nUSER node\nEXPOSE 3000\n"
        "# node is process 1: it ends at once where it has process.on('SIGTERM', …), and after 30 seconds where not\n"
    )
    return Framework("Node", 3000, text + _command(_started(start)))


def _started(start: str) -> list[str]:
    """Return a start script as a command of its own: npm in between would keep the signals to itself."""
    words = start.split()
    if any(sign in start for sign in "&|;$<>*=\"'"):
        return ["npm", "start"]
    return words if words[0] in ("node", "npm", "npx") else [f"node_modules/.bin/{words[0]}", *words[1:]]


def _go(root: Path) -> Framework | None:
    if not (root / "go.mod").is_file():
        return None
    version = re.search(r"^go (\d+\.\d+)", _text(root / "go.mod"), re.MULTILINE)
    programs = sorted(path.parent.name for path in root.glob("cmd/*/main.go"))
    package = "." if (root / "main.go").is_file() or not programs else f"./cmd/{programs[0]}"
    text = (
        f"FROM {_IMAGES}/golang:{version[1] if version else '1.25'} AS build\nWORKDIR /src\nCOPY go.* ./\n"
        f"RUN go mod download\nCOPY . .\nRUN CGO_ENABLED=0 go build -o /program {package}\n\n"
        f"FROM {_IMAGES}/alpine:3.22\nCOPY --from=build /program /program\nUSER nobody\nENV PORT=8080\nEXPOSE 8080\n"
    )
    return Framework("Go", 8080, text + _command(["/program"]))


def _java(root: Path) -> Framework | None:
    if (root / "pom.xml").is_file():
        build, jars = (
            "maven:3-eclipse-temurin-21 AS build\nWORKDIR /src\nCOPY . .\nRUN mvn -q package -DskipTests",
            "target",
        )
    elif any((root / name).is_file() for name in ("build.gradle", "build.gradle.kts")):
        task = (
            "bootJar"
            if "springframework.boot" in _text(root / "build.gradle") + _text(root / "build.gradle.kts")
            else "jar"
        )
        build, jars = f"gradle:8-jdk21 AS build\nWORKDIR /src\nCOPY . .\nRUN gradle --no-daemon -q {task}", "build/libs"
    else:
        return None
    text = (
        f"FROM {_IMAGES}/{build}\n\nFROM {_IMAGES}/eclipse-temurin:21-jre\n"
        f"COPY --from=build /src/{jars}/*.jar /app.jar\nUSER nobody\nEXPOSE 8080\n"
    )
    return Framework("Java", 8080, text + _command(["java", "-jar", "/app.jar"]))


def _static(root: Path) -> Framework | None:
    folder = next((name for name in (".", "public", "site", "dist") if (root / name / "index.html").is_file()), None)
    if folder is None:
        return None
    text = f"FROM {_IMAGES}/nginx:1.28-alpine\nCOPY {folder} /usr/share/nginx/html\nEXPOSE 80\n"
    return Framework("a static site", 80, text)


_RECOGNISED: tuple[Callable[[Path], Framework | None], ...] = (_django, _fastapi, _flask, _node, _go, _java, _static)


def _command(words: list[str]) -> str:
    return f"CMD {json.dumps(words)}\n"


def _application(root: Path, pattern: str) -> str | None:
    """Return MODULE:NAME of what a line of a Python file near the root begins with."""
    for path in [*sorted(root.glob("*.py")), *sorted(root.glob("*/*.py")), *sorted(root.glob("src/*/*.py"))]:
        parts = path.relative_to(root).with_suffix("").parts
        if any(part.startswith((".", "test")) or part in ("venv", "node_modules") for part in parts):
            continue
        match = re.search(pattern, _text(path), re.MULTILINE)
        if match is not None:
            module = ".".join(part for part in parts if part not in ("__init__", "src"))
            return f"{module}:{match[1]}"
    return None


def health_path(root: Path) -> str | None:
    """Return the path that an application seems to answer health checks at; None where its code names none."""
    paths = ("/healthz", "/health", "/actuator/health", "/up", "/ping")
    named = {match for text in _sources(root) for match in re.findall(r"[\"'`](/[\w/]+)/?[\"'`]", text)}
    if "spring-boot-starter-actuator" in _text(root / "pom.xml") + _text(root / "build.gradle"):
        named.add("/actuator/health")
    return next((path for path in paths if path in named), None)


def _sources(root: Path) -> Iterator[str]:
    number = 0
    for path in sorted(root.rglob("*")):
        parts = path.relative_to(root).parts
        if any(part.startswith(".") or part in ("node_modules", "venv", "vendor", "tests", "test") for part in parts):
            continue
        if path.suffix in (".py", ".js", ".ts", ".mjs", ".go", ".java", ".kt", ".rb") and path.is_file():
            number += 1
            if number > _MOST_FILES:
                return
            yield _text(path)


def _text(path: Path) -> str:
    """Return the beginning of a file, nothing where there is none."""
    try:
        with path.open(errors="replace") as file:
            return file.read(_LONGEST_FILE)
    except OSError:
        return ""
