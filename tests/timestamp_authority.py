"""A time-stamp authority of one's own: `openssl ts` behind a small HTTP server on loopback."""

import subprocess
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

_CONFIG = """\
[ca]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
[tsa]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,timeStamping
[tsa_config]
serial = {folder}/serial
crypto_device = builtin
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha512
accuracy = secs:1
ess_cert_id_chain = no
ess_cert_id_alg = sha256
[req]
distinguished_name = name
[name]
"""


def openssl(*arguments, **options):
    return subprocess.run(
        ["openssl", *map(str, arguments)], check=True, capture_output=True, **options
    )


class Authority:
    """A root certificate, a signing certificate below it, and answers over HTTP."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self.roots = folder / "ca.pem"
        self.answer = None  # what to say instead: (status, type, bytes)
        config = folder / "openssl.cnf"
        config.write_text(_CONFIG.format(folder=folder))
        (folder / "serial").write_text("01\n")
        ec = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
        root = ("-out", self.roots, "-days", "30", "-subj", f"/CN=Root of {folder.name}")
        openssl("req", "-x509", *ec, "-keyout", folder / "ca.key", *root,
                "-config", config, "-extensions", "ca")  # fmt: skip
        openssl("req", *ec, "-keyout", folder / "tsa.key", "-out", folder / "tsa.csr",
                "-subj", "/CN=Time", "-config", config)  # fmt: skip
        openssl("x509", "-req", "-in", folder / "tsa.csr", "-CA", self.roots, "-CAkey",
                folder / "ca.key", "-CAcreateserial", "-days", "30", "-out", folder / "tsa.pem",
                "-extfile", config, "-extensions", "tsa")  # fmt: skip

    def stamp(self, question: bytes) -> bytes:
        query = self.folder / "query.tsq"
        query.write_bytes(question)
        reply = self.folder / "reply.tsr"
        openssl("ts", "-reply", "-queryfile", query, "-out", reply, "-section", "tsa_config",
                "-config", self.folder / "openssl.cnf", "-inkey", self.folder / "tsa.key",
                "-signer", self.folder / "tsa.pem")  # fmt: skip
        return reply.read_bytes()

    @contextmanager
    def serving(self):
        """Answer on a free port until the block ends; gives the URL."""
        authority = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                question = self.rfile.read(int(self.headers["Content-Length"]))
                status, kind, payload = authority.answer or (
                    200,
                    "application/timestamp-reply",
                    authority.stamp(question),
                )
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            server.server_close()
            thread.join()
