"""Certificates for one test, made with the openssl program: authorities below one another, what they sign, and lists of
what they revoked."""

import os
import subprocess

NAMES = "subjectAltName=DNS:localhost,IP:127.0.0.1"
CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


def run(*words):
    subprocess.run(["openssl", *words], check=True, capture_output=True)


class Holder:
    """A key and its certificate: `issuer` None signs itself. Authorities sign others."""

    def __init__(self, folder, name, issuer=None, is_authority=False):
        self.base, self.name, self.issuer = os.path.join(folder, name), name, issuer
        self.serial = 1 if issuer is None else issuer.next_serial()
        self.signed = 1
        usage = "basicConstraints=critical,CA:TRUE" if is_authority else NAMES
        subject = ("-subj", "/CN=" + name, "-addext", usage)
        if issuer is None:
            run("req", "-x509", *CURVE, "-days", "3650", "-set_serial", "1", *subject, "-keyout", self.base + ".key", "-out",
                self.base + ".crt")
        else:
            run("req", *CURVE, *subject, "-keyout", self.base + ".key", "-out", self.base + ".csr")
            run("x509", "-req", "-in", self.base + ".csr", "-CA", issuer.base + ".crt", "-CAkey", issuer.base + ".key",
                "-days", "3650", "-set_serial", str(self.serial), "-copy_extensions", "copyall", "-out", self.base + ".crt")

    def next_serial(self):
        self.signed += 1
        return self.signed

    def certificate(self):
        with open(self.base + ".crt") as f:
            return f.read()

    def pem(self):
        """One file: the key, its certificate, and those above but the root."""
        with open(self.base + ".key") as f:
            text = f.read()
        holder = self
        while holder is not None and (holder is self or holder.issuer is not None):
            text += holder.certificate()
            holder = holder.issuer
        path = self.base + ".pem"
        write(path, text)
        return path

    def revoke(self, *holders):
        """The list of what this authority has revoked, as text."""
        base = self.base
        write(base + ".index", "".join("R\t400101000000Z\t250101000000Z\t%02X\tunknown\t/CN=%s\n" % (h.serial, h.name)
                                       for h in holders))
        write(base + ".cnf", "[ca]\ndefault_ca=d\n[d]\ndatabase=%s.index\ndefault_md=sha256\ndefault_crl_days=3000\n" % base)
        run("ca", "-gencrl", "-config", base + ".cnf", "-keyfile", base + ".key", "-cert", base + ".crt", "-out",
            base + ".crl")
        with open(base + ".crl") as f:
            return f.read()


def write(path, text):
    """Whole or not at all, as whoever replaces certificates should."""
    with open(path + ".new", "w") as f:
        f.write(text)
    os.replace(path + ".new", path)
