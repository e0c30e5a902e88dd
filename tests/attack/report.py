# SPDX-License-Identifier: Apache-2.0
"""The table of a run: attempt by server, and what it adds up to."""

_SHORT = {
    "certificate_required": "required", "handshake_failure": "failure", "unexpected_message": "unexpected",
    "unknown_ca": "unknown-ca", "bad_certificate": "bad-cert", "certificate_unknown": "cert-unkn",
    "certificate_expired": "expired", "certificate_revoked": "revoked", "unsupported_certificate": "unsupp.",
    "illegal_parameter": "illegal", "protocol_version": "version", "bad_record_mac": "bad-mac",
    "decode_error": "decode", "decrypt_error": "decrypt", "internal_error": "internal", "no_renegotiation": "no-reneg",
    "missing_extension": "missing", "unrecognized_name": "unrecogn.", "record_overflow": "overflow",
    "inappropriate_fallback": "fallback", "close_notify": "notify", "no TLS": "400 page", "access_denied": "denied",
}
_WIDTH = 10


def _cell(rows):
    if not rows:
        return "-"
    if any(row.success for row in rows):
        return "SUCCESS"
    if any(row.crash for row in rows):
        return "CRASH"
    how = rows[0].how
    return _SHORT.get(how, how)[:_WIDTH]


def _table(attacks, servers):
    by_place = {}
    for row in attacks:
        by_place.setdefault((row.title, row.version), {}).setdefault(row.server, []).append(row)
    wide = max([len(title) for title, _ in by_place] + [10])
    yield f"{'attempt':{wide}} TLS " + " ".join(f"{name[:_WIDTH]:{_WIDTH}}" for name in servers)
    for (title, version), cells in by_place.items():
        yield f"{title:{wide}} {version} " + " ".join(f"{_cell(cells.get(name)):{_WIDTH}}" for name in servers).rstrip()


def _proofs(rows):
    places = {}
    for row in rows:
        if row.wants_proof:
            places[row.title, row.version] = places.get((row.title, row.version), False) or row.proof
    return [place for place, good in places.items() if not good], sum(places.values()), len(places)


def render(rows, expected=()):
    """The whole report, and True where it is good. `expected`: titles that must be there, and proved where they can be;
    empty where only a part was asked for."""
    attacks = [row for row in rows if not row.wants_proof]
    servers = sorted({row.server for row in rows}, key=str.lower)
    titles = {row.title for row in attacks}
    successes, crashes = sum(row.success for row in attacks), sum(row.crash for row in attacks)
    unproved, proved, wanted = _proofs(rows)
    faults = []
    if expected:
        faults = [f"never tried: {title}" for title in expected if title not in titles]
        faults += [f"not proved on any server: {title} (TLS {version})" for title, version in unproved]
    found = [
        f"{'SUCCESS' if row.success else 'CRASH'} {row.server} TLS {row.version}: {row.title}: {row.how}"
        for row in attacks if row.success or row.crash
    ]
    lines = [*_table(attacks, servers), "", *found, *faults]
    lines.append(f"{len(attacks)} tries; the steps of {proved} of {wanted} brought data where they may")
    lines.append(f"{len(titles)} attempts, {len(servers)} servers: {successes} successes, {crashes} crashes")
    return "\n".join(lines), bool(attacks) and not successes and not crashes and not faults
