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


def render(rows):
    """The whole report; and True where it is good."""
    attacks = [row for row in rows if not row.wants_proof]
    servers = sorted({row.server for row in rows}, key=str.lower)
    by_place = {}
    for row in attacks:
        by_place.setdefault((row.title, row.version), {}).setdefault(row.server, []).append(row)
    wide = max([len(title) for title, _ in by_place] + [10])
    lines = [f"{'attempt':{wide}} TLS " + " ".join(f"{name[:_WIDTH]:{_WIDTH}}" for name in servers)]
    for (title, version), cells in by_place.items():
        lines.append(f"{title:{wide}} {version} " + " ".join(f"{_cell(cells.get(name)):{_WIDTH}}" for name in servers).rstrip())
    lines += _findings(attacks)
    unproved, proved, wanted = _proofs(rows)
    lines.append("")
    for title, version in unproved:
        lines.append(f"not proved on any server: {title} (TLS {version})")
    titles = {row.title for row in attacks}
    successes = sum(row.success for row in attacks)
    crashes = sum(row.crash for row in attacks)
    lines.append(
        f"{len(titles)} distinct attempts, {len(attacks)} in all with versions and servers; of {wanted} whose steps a server "
        f"can be proved to answer where nothing is forged or demanded, {proved} were"
    )
    lines.append(f"{len(titles)} attempts, {len(servers)} servers: {successes} successes, {crashes} crashes")
    return "\n".join(lines), bool(attacks) and not successes and not crashes and not unproved


def _findings(attacks):
    return [
        f"{'SUCCESS' if row.success else 'CRASH'} {row.server} TLS {row.version}: {row.title}: {row.how}"
        for row in attacks if row.success or row.crash
    ]


def _proofs(rows):
    places = {}
    for row in rows:
        if row.wants_proof:
            places[row.title, row.version] = places.get((row.title, row.version), False) or row.proof
    return [place for place, good in places.items() if not good], sum(places.values()), len(places)
