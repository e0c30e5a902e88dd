# SPDX-License-Identifier: Apache-2.0
"""The programs of tests/shim that play a server which tries to undo its policy: what they need, and how each is run."""

import os
import shutil
import subprocess

LIMITS = {
    "security_level": 2, "groups": "P-384", "ciphers": "ECDHE-RSA-AES256-GCM-SHA384",
    "ciphersuites": "TLS_AES_256_GCM_SHA384",
}

# name: program, its words, mode, further keys of [server], further sections
RUNS = {
    "late mutual": ("late", ("mutual",), "mutual", {}, {}),
    "late server": ("late", ("server",), "server", {}, {}),
    "late limits": ("late", ("limits",), "server", LIMITS, {}),
    "after": ("after", (), "mutual", {}, {"sni public": {"names": "public.example", "mode": "server"}}),
    "hostile mutual": ("hostile", ("mutual",), "mutual", {}, {}),
    "hostile server": ("hostile", ("server",), "server", {}, {}),
}


def certificates(pki, home):
    """A folder with the certificates by the names that the programs expect."""
    home.mkdir()
    pairs = {
        "client": pki.clients["good"],
        "wrong": pki.clients["wrong CA"],
        "expired": pki.clients["expired"],
        "own": pki.own("rsa"),
        "second": pki.own("ec"),
    }
    for name, credential in pairs.items():
        shutil.copyfile(credential.cert, home / f"{name}.pem")
        shutil.copyfile(credential.key, home / f"{name}.key")
    shutil.copyfile(pki.wrong_ca.cert, home / "wrong-ca.pem")
    return home


def start(graft, ini, folder, program, *words, programs=None, libraries=None, input=False):
    """
    A program of tests/shim under `tlsgraft run`; `programs`: the build that has it, where that is not the product's;
    `libraries`: a folder with a libssl for it; `input`: it reads its standard input.
    """
    command = [*graft.run(ini), (programs or graft.build) / "tests" / program, folder, *words]
    return subprocess.Popen(
        [str(word) for word in command], stdin=subprocess.PIPE if input else None, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True,
        env={**os.environ, **graft.environment(), **({"LD_LIBRARY_PATH": str(libraries)} if libraries else {})},
    )
