"""What `init` makes of the repositories that people have."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from tidegate.manifest import parse
from tidegate.manifest.detect import Found, detect
from tidegate.manifest.dockerfiles import context_of, dockerfiles, port_of
from tidegate.manifest.frameworks import framework_of, health_path
from tidegate.manifest.remote import Remote, remote_of

EXPRESS = '{"scripts": {"start": "node server.js"}, "dependencies": {"express": "5"}}'


def repository(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def found_in(tmp_path: Path, files: dict[str, str], remote: str | None = None, branch: str = "main") -> Found:
    found = detect(repository(tmp_path / "shop", files), remote, branch)
    assert found is not None
    parse(found.manifest())  # whatever is found makes a manifest
    return found


def test_one_dockerfile(tmp_path: Path) -> None:
    found = found_in(tmp_path, {"Dockerfile": "FROM x\nEXPOSE 3000/tcp\n"})
    assert found.manifest() == "app: shop\nservices:\n  web:\n    port: 3000\n"


def test_a_worker(tmp_path: Path) -> None:
    assert found_in(tmp_path, {"Dockerfile": "FROM x\n"}).manifest() == "app: shop\nservices:\n  worker: {}\n"


def test_nothing_to_deploy(tmp_path: Path) -> None:
    assert (
        detect(repository(tmp_path, {"README.md": "", "tests/Dockerfile": "FROM x", "Dockerfile.dev": "FROM x"}))
        is None
    )


def test_names_of_folders_become_names(tmp_path: Path) -> None:
    for folder, name in (("My Shop!", "my-shop"), ("2048", "app-2048"), ("a--b_c", "a-b-c"), ("x" * 40, "x" * 30)):
        root = repository(tmp_path / folder, {"Dockerfile": "FROM x"})
        found = detect(root)
        assert found is not None
        assert found.app == name
        parse(found.manifest())


def test_somebody_says_the_port(tmp_path: Path) -> None:
    found = found_in(tmp_path, {"Dockerfile": "FROM x\n"})
    assert parse(found.with_port(90).manifest()).services["worker"].port == 90


@pytest.mark.parametrize(
    ("text", "port"),
    [
        ("FROM x\nEXPOSE 3000", 3000),
        ("FROM x\nexpose 3000/tcp 9000/tcp", 3000),
        ("FROM x\nARG PORT=8000\nEXPOSE $PORT", 8000),
        ("FROM x\nENV PORT 5000\nEXPOSE ${PORT}", 5000),
        ("FROM x\nEXPOSE ${PORT:-7000}", 7000),
        ("FROM x AS build\nEXPOSE 1000\nFROM y\nEXPOSE 2000", 2000),
        ("FROM x\nENV A=b \\\n    PORT=4000", 4000),
        ('FROM x\nCMD ["gunicorn", "--bind", "0.0.0.0:8001", "app:app"]', 8001),
        ("FROM x\nCMD uvicorn main:app --host 0.0.0.0 --port 8002", 8002),
        ('FROM x\nENTRYPOINT ["python", "manage.py"]\nCMD ["runserver", "0.0.0.0:8003"]', 8003),
        ("FROM public.ecr.aws/docker/library/nginx:1.28-alpine", 80),
        ("FROM node:22\n# EXPOSE 1\nCMD node worker.js", None),
        ("FROM x\nEXPOSE 53/udp", None),
    ],
)
def test_the_port_of_a_dockerfile(text: str, port: int | None) -> None:
    assert port_of(text) == port


def test_several_dockerfiles(tmp_path: Path) -> None:
    found = found_in(
        tmp_path,
        {
            "services/api/Dockerfile": "FROM x\nCOPY src .\nEXPOSE 8000\n",
            "services/api/src/app.py": "@app.get('/healthz')",
            "web/Dockerfile": "FROM x\nCOPY web/package.json .\nEXPOSE 3000\n",
            "web/package.json": "{}",
            "Dockerfile.worker": "FROM x\n",
            "Dockerfile.dev": "FROM x\n",
            "node_modules/thing/Dockerfile": "FROM x\nEXPOSE 1\n",
        },
    )
    assert (
        found.manifest()
        == """\
app: shop
services:
  worker:
    build: {dockerfile: Dockerfile.worker}
  web:
    build: {dockerfile: web/Dockerfile}
    port: 3000
  api:
    build: {dockerfile: services/api/Dockerfile, context: services/api}
    port: 8000
    health: {path: /healthz}
    routes: [{path: [/api, /api/*]}]  # they reach it with this path before them
"""
    )


def test_services_of_one_name_get_their_own(tmp_path: Path) -> None:
    files = {f"{team}/api/Dockerfile": "FROM x\nEXPOSE 80" for team in ("a", "b")}
    assert [service.name for service in found_in(tmp_path, files).services] == ["api", "api-2"]


def test_where_a_dockerfile_is_built(tmp_path: Path) -> None:
    files = {
        "a/Dockerfile": "FROM x\nCOPY a/one .\n",
        "a/one": "",
        "b/Dockerfile": "FROM x\nCOPY --chown=x one ./\nCOPY --from=build /y /z\n",
        "b/one": "",
    }
    root = repository(tmp_path, files)
    assert [str(path) for path in dockerfiles(root)] == ["a/Dockerfile", "b/Dockerfile"]
    assert [context_of(root, PurePosixPath(name)) for name in ("a/Dockerfile", "b/Dockerfile")] == [".", "b"]


@pytest.mark.parametrize(
    ("address", "remote"),
    [
        ("git@github.com:example/shop.git", Remote("github", "example/shop")),
        ("https://github.com/example/shop", Remote("github", "example/shop")),
        ("https://user:secret@github.com/example/shop.git/", Remote("github", "example/shop")),
        ("ssh://git@gitlab.com:22/example/group/shop.git", Remote("gitlab", "example/group/shop")),
        ("git@bitbucket.org:example/shop.git", Remote("bitbucket", "example/shop")),
        ("https://git-codecommit.eu-west-1.amazonaws.com/v1/repos/shop", Remote("codecommit", "shop")),
        ("ssh://git-codecommit.eu-west-1.amazonaws.com/v1/repos/shop", Remote("codecommit", "shop")),
        ("codecommit::eu-west-1://profile@shop", Remote("codecommit", "shop")),
        ("https://git.example.com/shop.git", None),
        ("/srv/git/shop.git", None),
        (None, None),
    ],
)
def test_who_keeps_a_repository(address: str | None, remote: Remote | None) -> None:
    assert remote_of(address) == remote


def test_the_source_is_said_where_it_is_not_the_usual_one(tmp_path: Path) -> None:
    dockerfile = {"Dockerfile": "FROM x"}
    github = found_in(tmp_path, dockerfile, "git@github.com:example/shop.git", "trunk").manifest()
    assert "source: {provider: github, repository: example/shop, branch: trunk}\n" in github
    assert "source" not in found_in(tmp_path, dockerfile, "codecommit://shop").manifest()
    assert "source: {repository: other}\n" in found_in(tmp_path, dockerfile, "codecommit://other").manifest()


APPLICATIONS = {
    "Flask": (
        {"app.py": "from flask import Flask\napp = Flask(__name__)\n", "requirements.txt": "flask\n"},
        'CMD ["gunicorn", "--bind=0.0.0.0:8000", "app:app"]',
    ),
    "Flask with a factory": (
        {"shop/__init__.py": "def create_app():\n    pass\n", "requirements.txt": "Flask==3\n"},
        'CMD ["gunicorn", "--bind=0.0.0.0:8000", "shop:create_app()"]',
    ),
    "FastAPI": (
        {"src/shop/main.py": "from fastapi import FastAPI\napi = FastAPI()\n", "pyproject.toml": "[project]\n"},
        'CMD ["uvicorn", "--host=0.0.0.0", "--port=8000", "shop.main:api"]',
    ),
    "Django": (
        {"manage.py": "", "shop/wsgi.py": "", "requirements.txt": "django\n"},
        'CMD ["gunicorn", "--bind=0.0.0.0:8000", "shop.wsgi"]',
    ),
    "Node": ({"package.json": EXPRESS, "package-lock.json": "{}", "server.js": ""}, 'CMD ["node", "server.js"]'),
    "Node with a framework": (
        {"package.json": '{"scripts": {"start": "next start", "build": "next build"}}'},
        'CMD ["node_modules/.bin/next", "start"]',
    ),
    "Node without a start": ({"package.json": "{}", "index.js": ""}, 'CMD ["node", "index.js"]'),
    "Go": ({"go.mod": "module shop\n\ngo 1.24.2\n", "cmd/shop/main.go": ""}, 'CMD ["/program"]'),
    "Java by Maven": ({"pom.xml": "<project/>"}, 'CMD ["java", "-jar", "/app.jar"]'),
    "Java by Gradle": ({"build.gradle": "org.springframework.boot"}, 'CMD ["java", "-jar", "/app.jar"]'),
    "a static site": ({"public/index.html": ""}, "COPY public /usr/share/nginx/html"),
}


@pytest.mark.parametrize("name", APPLICATIONS)
def test_a_dockerfile_is_proposed(name: str, tmp_path: Path) -> None:
    files, line = APPLICATIONS[name]
    framework = framework_of(repository(tmp_path, files))
    assert framework is not None
    assert name.startswith(framework.name)
    assert line in framework.dockerfile.splitlines()
    assert port_of(framework.dockerfile) == framework.port
    # the program itself hears SIGTERM, and no build meets a rate limit
    commands = [each for each in framework.dockerfile.splitlines() if each.startswith("CMD")]
    assert all(command.startswith("CMD [") for command in commands)
    images = [each.split()[1] for each in framework.dockerfile.splitlines() if each.startswith("FROM")]
    assert all(image.startswith("public.ecr.aws/docker/library/") for image in images)
    assert ".git" in framework.dockerignore.splitlines()


def test_without_a_dockerfile_the_manifest_fits_the_proposed_one(tmp_path: Path) -> None:
    files, _ = APPLICATIONS["Flask"]
    found = found_in(tmp_path, {**files, "views.py": "@app.get('/health')"})
    assert found.framework is not None
    assert found.manifest() == "app: shop\nservices:\n  web:\n    port: 8000\n    health: {path: /health}\n"


@pytest.mark.parametrize(
    ("files", "path"),
    [
        ({"server.js": "app.get('/healthz', ok)"}, "/healthz"),
        ({"main.go": 'http.HandleFunc("/up", ok)'}, "/up"),
        ({"pom.xml": "<artifactId>spring-boot-starter-actuator</artifactId>"}, "/actuator/health"),
        ({"node_modules/x/y.js": "'/health'", "tests/test_x.py": "'/health'"}, None),
        ({"app.py": "'/healthy-food'"}, None),
    ],
)
def test_the_health_path_that_the_code_names(files: dict[str, str], path: str | None, tmp_path: Path) -> None:
    assert health_path(repository(tmp_path, files)) == path
