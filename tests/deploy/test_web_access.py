"""nginx in front of two real webservers: who may look, who may operate, and nobody else."""

import base64
import contextlib
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import NamedTuple

import pytest
from service_programs import program
from websockets.sync.client import connect

from torghut_assets.resources.home import Home

pytestmark = pytest.mark.heavy

SHIPPED = Path(__file__).parents[2] / "deploy" / "nginx"
VIEWER, OPERATOR = "viewer:looks-only-4711", "operator:may-launch-4712"
VERSION = "{ version }"
LAUNCH = """
mutation($p: ExecutionParams!) {
  launchRun(executionParams: $p) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
    ... on UnauthorizedError { message }
  }
}
"""
RUNS = "{ runsOrError { __typename ... on Runs { results { runId } } } }"
LOGS = (
    "subscription($id: ID!) { pipelineRunLogs(runId: $id) {"
    " ... on PipelineRunLogsSubscriptionSuccess { messages { __typename } } } }"
)


class Site(NamedTuple):
    """The running proxy: its two addresses, its certificate, the client's and its log."""

    viewers: str
    operators: str
    certificate: Path
    folder: Path


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def wait_for(address, process, log):
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text(errors="replace")[-2000:]
        with contextlib.suppress(OSError), socket.create_connection(address, timeout=5):
            return
        time.sleep(0.2)
    pytest.fail(f"nothing listens at {address}: {log.read_text(errors='replace')[-2000:]}")


def certificate(folder, name, issuer=None):
    """Make a certificate for 127.0.0.1, signed by itself or by the issuer's key."""
    signed = ["-CA", f"{issuer}.pem", "-CAkey", f"{issuer}.key"] if issuer else []
    subprocess.run(
        [program("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
         "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1", *signed,
         "-keyout", f"{name}.key", "-out", f"{name}.pem"],
        cwd=folder, check=True, capture_output=True, timeout=120,
    )  # fmt: skip


def passwords(path, login):
    name, password = login.split(":")
    hashed = subprocess.run(
        [program("openssl"), "passwd", "-6", password],
        check=True, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    path.write_text(f"{name}:{hashed.stdout}")


@pytest.fixture(scope="module")
def webservers(tmp_path_factory):
    """A code server of the real definitions and two webservers on it; their ports."""
    folder = tmp_path_factory.mktemp("web")
    home = Home.at(folder / "home")
    home.prepare()
    environment = {**os.environ, **home.environment()}
    binaries = Path(sys.executable).parent
    with contextlib.ExitStack() as stack:

        def start(name, port, *command):
            log = folder / f"{name}.log"
            out = stack.enter_context(log.open("wb"))
            process = subprocess.Popen(
                command, env=environment, stdout=out, stderr=subprocess.STDOUT, cwd=folder
            )
            stack.callback(process.wait)
            stack.callback(process.terminate)
            wait_for(("127.0.0.1", port), process, log)
            return port

        code, full, read_only = free_port(), free_port(), free_port()
        start(
            "code", code, binaries / "dagster", "api", "grpc", "-m", "torghut_assets.definitions",
            "--host", "127.0.0.1", "--port", str(code),
        )  # fmt: skip
        web = (binaries / "dagster-webserver", "--host", "127.0.0.1",
               "--grpc-host", "127.0.0.1", "--grpc-port", str(code))  # fmt: skip
        start("full", full, *web, "--port", str(full))
        start("read-only", read_only, *web, "--port", str(read_only), "--read-only")
        yield full, read_only


@contextlib.contextmanager
def proxy(folder, full, read_only, *, client_certificates=False):
    """Run nginx with the shipped files; only addresses and paths are replaced."""
    for name in ("server", "operators-ca"):
        certificate(folder, name)
    certificate(folder, "operator", issuer="operators-ca")
    passwords(folder / "viewers.htpasswd", VIEWER)
    passwords(folder / "operators.htpasswd", OPERATOR)
    shutil.copy(SHIPPED / "proxy.conf", folder / "proxy.conf")
    viewers, operators = free_port(), free_port()
    text = (SHIPPED / "torghut.conf").read_text(encoding="utf-8")
    for shipped, here in {
        "127.0.0.1:3000": f"127.0.0.1:{full}",
        "127.0.0.1:3001": f"127.0.0.1:{read_only}",
        "listen 443 ssl": f"listen 127.0.0.1:{viewers} ssl",
        "listen 8443 ssl": f"listen 127.0.0.1:{operators} ssl",
        "torghut.example.com": "127.0.0.1",
        "/etc/nginx/torghut/": f"{folder}/",
        "/var/log/nginx/": f"{folder}/",
    }.items():
        assert shipped in text, shipped
        text = text.replace(shipped, here)
    if client_certificates:
        text = text.replace("# ssl_client_certificate", "ssl_client_certificate")
        text = text.replace("# ssl_verify_client", "ssl_verify_client")
    (folder / "torghut.conf").write_text(text)
    places = "".join(
        f"{kind}_temp_path {folder}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"pid {folder}/pid;\nerror_log {folder}/error.log;\ndaemon off;\n"
        f"{'user root;' if os.geteuid() == 0 else ''}\n"
        f"events {{}}\nhttp {{\n{places}access_log off;\ninclude {folder}/torghut.conf;\n}}\n"
    )
    command = [program("nginx"), "-p", folder, "-c", f"{folder}/nginx.conf"]
    process = subprocess.Popen(command, stderr=(folder / "stderr").open("wb"))
    try:
        wait_for(("127.0.0.1", operators), process, folder / "stderr")
        yield Site(
            f"https://127.0.0.1:{viewers}",
            f"https://127.0.0.1:{operators}",
            folder / "server.pem",
            folder,
        )
    finally:
        process.terminate()
        process.wait()


@pytest.fixture(scope="module")
def site(webservers, tmp_path_factory):
    with proxy(tmp_path_factory.mktemp("nginx"), *webservers) as running:
        yield running


def headers_for(login):
    return {"Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"} if login else {}


def trusting(site, client=None):
    context = ssl.create_default_context(cafile=str(site.certificate))
    if client:
        context.load_cert_chain(site.folder / f"{client}.pem", site.folder / f"{client}.key")
    return context


def fetch(site, address, login=None, body=None, client=None, **headers):
    """Return status, headers and text."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(
        address,
        data=None if body is None else json.dumps(body).encode(),
        headers=headers_for(login) | {"Content-Type": "application/json"} | named,
    )
    try:
        with urllib.request.urlopen(request, context=trusting(site, client), timeout=120) as got:
            return got.status, got.headers, got.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.headers, refused.read().decode(errors="replace")


def graphql(site, address, login, query, **variables):
    body = {"query": query, "variables": variables}
    status, _, text = fetch(site, f"{address}/graphql", login, body)
    assert status == 200, text
    return json.loads(text)


def launch(site, address, login):
    where = {
        "repositoryLocationName": json.loads(
            fetch(site, f"{site.operators}/graphql", OPERATOR, {
                "query": "{ repositoriesOrError { ... on RepositoryConnection"
                " { nodes { name location { name } } } } }"})[2]
        )["data"]["repositoriesOrError"]["nodes"][0]["location"]["name"],
        "repositoryName": "__repository__",
        "jobName": "settle_policies",
    }  # fmt: skip
    parameters = {"selector": where, "runConfigData": {}, "mode": "default"}
    return graphql(site, address, login, LAUNCH, p=parameters)


def run_ids(site):
    found = graphql(site, site.operators, OPERATOR, RUNS)["data"]["runsOrError"]["results"]
    return {run["runId"] for run in found}


@pytest.mark.parametrize("login", [None, "viewer:wrong", "nobody:looks-only-4711", "operator:"])
@pytest.mark.parametrize("path", ["/", "/graphql", "/server_info", "/assets/x", "/x/../graphql"])
def test_without_a_password_there_is_nothing(site, login, path):
    for address in (site.viewers, site.operators):
        assert fetch(site, address + path, login)[0] == 401
        assert fetch(site, address + path, login, {"query": VERSION})[0] == 401


def test_each_door_has_its_own_passwords(site):
    assert fetch(site, site.operators, VIEWER)[0] == 401
    assert fetch(site, site.viewers, OPERATOR)[0] == 401


def test_who_has_the_password_sees_the_pages(site):
    for address, login in ((site.viewers, VIEWER), (site.operators, OPERATOR)):
        status, headers, text = fetch(site, address, login)
        assert status == 200
        assert "__NEXT_DATA__" in text
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Strict-Transport-Security"]
        assert "version" in graphql(site, address, login, VERSION)["data"]


def test_a_viewer_cannot_launch_a_run_and_an_operator_can(site):
    before = run_ids(site)
    refused = launch(site, site.viewers, VIEWER)
    assert "LaunchRunSuccess" not in json.dumps(refused)
    assert "UnauthorizedError" in json.dumps(refused)
    assert run_ids(site) == before
    launched = launch(site, site.operators, OPERATOR)["data"]["launchRun"]
    assert launched["__typename"] == "LaunchRunSuccess", launched
    assert run_ids(site) == before | {launched["run"]["runId"]}
    for address, login in ((site.viewers, VIEWER), (site.operators, OPERATOR)):
        assert follow(site, address, login, launched["run"]["runId"])


def follow(site, address, login, run_id):
    """Return the first messages of a run's log over a websocket."""
    with socket_to(site, address, login) as stream:
        stream.send(json.dumps({"type": "connection_init", "payload": {}}))
        query = {"query": LOGS, "variables": {"id": run_id}}
        assert json.loads(stream.recv(60))["type"] == "connection_ack"
        stream.send(json.dumps({"id": "1", "type": "start", "payload": query}))
        while (message := json.loads(stream.recv(60)))["type"] == "ka":
            pass
    return message["payload"]["data"]["pipelineRunLogs"]["messages"]


def socket_to(site, address, login, origin=None):
    return connect(
        address.replace("https", "wss") + "/graphql",
        ssl=trusting(site),
        additional_headers=headers_for(login),
        subprotocols=["graphql-ws"],
        origin=origin,
        proxy=None,
        open_timeout=60,
    )


def test_a_websocket_needs_the_password_too(site):
    from websockets.exceptions import InvalidStatus

    for login in (None, "viewer:wrong"):
        with pytest.raises(InvalidStatus, match="401"), socket_to(site, site.viewers, login):
            pass
    with (
        pytest.raises(InvalidStatus, match="403"),
        socket_to(site, site.operators, OPERATOR, origin="https://elsewhere.example"),
    ):
        pass
    with socket_to(site, site.operators, OPERATOR, origin=site.operators):
        pass


def test_another_site_cannot_use_the_password_of_a_browser(site):
    address, body = f"{site.operators}/graphql", {"query": VERSION}
    assert fetch(site, address, OPERATOR, body, Origin="https://elsewhere.example")[0] == 403
    assert fetch(site, address, OPERATOR, body, Origin="null")[0] == 403
    assert fetch(site, address, OPERATOR, body, Origin=site.viewers)[0] == 403
    assert fetch(site, address, OPERATOR, body, Sec_Fetch_Site="cross-site")[0] == 403
    assert fetch(site, address, OPERATOR, body, Origin=site.operators)[0] == 200
    link = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"}
    assert fetch(site, site.operators, OPERATOR, **link)[0] == 200
    for query in ("?query=%7Bversion%7D", "?%71uery=%7Bversion%7D", "/?query=%7Bversion%7D"):
        assert fetch(site, address + query, OPERATOR, **link)[0] == 405


def test_plain_http_gets_nowhere(site):
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(site.viewers.replace("https", "http"), timeout=60)
    assert refused.value.code == 400


def test_the_log_says_who_and_holds_no_password(site):
    fetch(site, f"{site.operators}/graphql", OPERATOR, {"query": VERSION})
    deadline = time.monotonic() + 60
    log = site.folder / "torghut.log"
    while " operator POST /graphql 200" not in log.read_text() and time.monotonic() < deadline:
        time.sleep(0.1)
    text = log.read_text()
    assert " operator POST /graphql 200" in text
    assert not re.search("4711|4712|Basic", text)


def test_an_operator_may_have_to_show_a_certificate(webservers, tmp_path):
    with proxy(tmp_path, *webservers, client_certificates=True) as strict:
        assert fetch(strict, strict.operators, OPERATOR)[0] == 400
        assert fetch(strict, strict.operators, OPERATOR, client="server")[0] == 400
        assert fetch(strict, strict.operators, None, client="operator")[0] == 401
        assert fetch(strict, strict.operators, OPERATOR, client="operator")[0] == 200
        assert fetch(strict, strict.viewers, VIEWER)[0] == 200
