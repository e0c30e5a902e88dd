# SPDX-License-Identifier: Apache-2.0
"""The sections that servers are attacked under, and those that the proofs and the sessions of before need."""

OPEN_HOST = "open.example"  # asks for no certificate
NAMES_HOST = "names.example"  # admits by names that are near to those of attackers
SECOND_HOST = "second.example"  # another authority
FIRM_HOST = "firm.example"  # a security level that refuses weak certificates

NAMES = ("CN:operator", "DNS:ops.example", "DNS:*.fleet.example", "EMAIL:ops@corp.example", "IP:10.1.0.0/16")


def mutual(case, injected, **changes):
    """What attackers meet."""
    return case.mutual(injected, min_protocol="TLSv1.2", verify_depth=4, **changes)


def sections(case, injected, **changes):
    """`changes`: of [server]."""
    second = case.home / "second.crl"
    if not second.exists():
        case.pki.second_ca.write_crl(second)
    return {
        "server": mutual(case, injected, **changes),
        "sni open": {"names": OPEN_HOST, "mode": "server"},
        "sni names": {"names": NAMES_HOST, "allow": NAMES},
        "sni second": {"names": SECOND_HOST, "ca": case.pki.second_ca.cert, "crl": second},
        "sni firm": {"names": FIRM_HOST, "security_level": 2},
    }


def without_certificates(case, injected):
    """The proofs: our certificate, nobody is asked for one."""
    return {"server": {"mode": "server", **case.pair(injected), "min_protocol": "TLSv1"}}
