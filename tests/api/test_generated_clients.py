"""Clients that other people's generators make of the OpenAPI document: they are built without a warning, and ask."""

import json
import os
import shutil
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from django.test import Client
from drf_spectacular.generators import SchemaGenerator

from tests.api.world import Holding, Program

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(600)]
NPM = shutil.which("npm")
PINNED = Path(__file__).parents[1] / "clients" / "generators"
# A mirror may be slow (s).
FETCHED_S = 300
BIN = Path(sys.executable).parent
STRICT = (
    "--strict",
    "--module",
    "nodenext",
    "--moduleResolution",
    "nodenext",
    "--lib",
    "es2022,dom",
    "--target",
    "es2022",
)

IN_PYTHON = """
import importlib, json, pkgutil, sys
import herdsite_client
from herdsite_client.api.intents import intents_retrieve
from herdsite_client.api.resources import resources_create, resources_list
from herdsite_client.models import NewResource, Problem

for module in pkgutil.walk_packages(herdsite_client.__path__, "herdsite_client."):
    importlib.import_module(module.name)
client = herdsite_client.AuthenticatedClient(base_url=sys.argv[1], token=sys.argv[2], raise_on_unexpected_status=True)
refused = resources_create.sync(client=client, body=NewResource(customer="acme", plan="no-such-plan"))
assert isinstance(refused, Problem), refused
listed = resources_list.sync(client=client)
made = resources_create.sync(client=client, body=NewResource(customer="acme", plan="standard-0", name="acme-new"))
intent = intents_retrieve.sync(str(made.id), client=client)
print(json.dumps([refused.status, [each.name for each in listed.results], made.name, str(intent.state)]))
"""
IN_TYPESCRIPT = """
import createClient from "openapi-fetch";
import type { paths } from "./schema";

export async function ask(baseUrl: string, token: string): Promise<string> {
  const client = createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${token}` } });
  const refused = await client.POST("/api/v1/resources", { body: { customer: "acme", plan: "no-such-plan" } });
  const listed = await client.GET("/api/v1/resources");
  if (!refused.error || !listed.data) throw new Error("it is the other way round");
  const names: string[] = listed.data.results.map((each) => each.name);
  const made = await client.POST("/api/v1/resources", {
    body: { customer: "acme", plan: "standard-0", name: "acme-new" },
  });
  if (!made.data) throw new Error(made.error.detail);
  const intent = await client.GET("/api/v1/intents/{name}", { params: { path: { name: made.data.id } } });
  if (!intent.data) throw new Error(intent.error?.detail);
  const state: "open" | "done" | "refused" | "cancelled" = intent.data.state;
  return JSON.stringify([refused.error.status, names, made.data.name, state]);
}
"""
RUN = "const { ask } = require('./use.js'); ask(...process.argv.slice(1)).then(console.log);"


def finish(argv: list[str], folder: Path, **env: str) -> str:
    """What a program printed that has to end well, and to say nothing of an error."""
    given = {"PATH": f"{BIN}:{os.environ['PATH']}", "HOME": str(folder), **env}
    done = subprocess.run(argv, cwd=folder, env=given, capture_output=True, text=True, check=False, timeout=110)
    assert not done.returncode, f"{argv[0]}: {done.stdout[-2000:]} {done.stderr[-2000:]}"
    assert "warn" not in (done.stdout + done.stderr).lower()
    return done.stdout


@pytest.fixture
def document(tmp_path: Path) -> Path:
    file = tmp_path / "openapi.json"
    file.write_text(json.dumps(SchemaGenerator().get_schema(public=True)))
    return file


class Answers(BaseHTTPRequestHandler):
    """herdsite itself, in the process and the transaction of the test."""

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {"Authorization": self.headers["Authorization"]}
        answer = Client().generic(self.command, self.path, body, content_type="application/json", headers=headers)
        self.send_response(answer.status_code)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.content)

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        pass


def answered(argv: list[str], folder: Path, asker: Program, **env: str) -> list[object]:
    """What a client printed that was told where herdsite is, and the token of `asker`."""
    given = {"PATH": os.environ["PATH"], "HOME": str(folder), **env}
    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        server.timeout = 0.1
        argv = [*argv, f"http://127.0.0.1:{server.server_port}", asker.secret]
        with (folder / "out").open("w") as out, (folder / "err").open("w") as err:
            client = subprocess.Popen(argv, cwd=folder, env=given, stdout=out, stderr=err)
            while client.poll() is None:
                server.handle_request()
    assert not client.returncode, (folder / "err").read_text()
    return json.loads((folder / "out").read_text())


def test_a_client_in_python(document: Path, acme: Holding, admin: Program) -> None:
    folder = document.parent
    fetch = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-compile",
        "--require-hashes",
        "--target",
        "packages",
    ]
    pinned = ["-r", str(PINNED / "requirements.txt")]
    subprocess.run([*fetch, *pinned], cwd=folder, check=True, capture_output=True, timeout=FETCHED_S)
    make = [sys.executable, "-m", "openapi_python_client", "generate", "--path", str(document), "--meta", "none"]
    finish([*make, "--output-path", "herdsite_client", "--fail-on-warning"], folder, PYTHONPATH="packages")
    asked = [sys.executable, "-W", "error", "-c", IN_PYTHON]
    assert answered(asked, folder, admin, PYTHONPATH="packages:.") == [400, ["acme-orders"], "acme-new", "open"]


def test_a_client_in_typescript(document: Path, acme: Holding, admin: Program) -> None:
    assert NPM, "npm is missing: bin/test installs it as root, others run: apt install npm"
    folder = document.parent
    for name in ("package.json", "package-lock.json"):
        shutil.copy(PINNED / name, folder)
    fetch = [NPM, "ci", "--no-audit", "--no-fund", "--silent", "--ignore-scripts"]
    subprocess.run(fetch, cwd=folder, check=True, capture_output=True, timeout=FETCHED_S)
    finish(["node_modules/.bin/openapi-typescript", str(document), "-o", "schema.d.ts"], folder)
    (folder / "use.ts").write_text(IN_TYPESCRIPT)
    finish(["node_modules/.bin/tsc", *STRICT, "use.ts"], folder)
    assert answered(["node", "-e", RUN, "--"], folder, admin) == [400, ["acme-orders"], "acme-new", "open"]
