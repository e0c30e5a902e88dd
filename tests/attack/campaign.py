# SPDX-License-Identifier: Apache-2.0
"""Every attempt on one server: sessions of before, the attack, the proofs."""

import re
import time

from support.client import VERSIONS
from support.server import PLACEHOLDER_BODY

from attack import policy, sessions
from attack.catalogue import ATTEMPTS, HONEST, OFF, OPEN, Notes, Row
from attack.target import Target
from attack.tries import NotHere, Try

_ERROR_PAGE = re.compile(rb"HTTP/1\.[01] 400 |\s*<!DOCTYPE HTML")
GREETED = ("spoken for", "no TLS", "certificate")
OWN_PROOFS = ("spoken for", "certificate")  # of servers that TLS is spoken for; the other steps are proved on others
EXPIRES = 6  # seconds: from the making of a session until its client's certificate ends


def is_stolen(how, data):
    """Anything is, but a web server's complaint in plaintext that this is no TLS, and what it says before TLS begins."""
    if how != "no TLS":
        return bool(data)
    return _ERROR_PAGE.match(data) is None or PLACEHOLDER_BODY.encode() in data


class Campaign:
    """`case`: the test, for its expectations and its folder."""

    def __init__(self, case, server, injected, pattern=""):
        self.case = case
        self.server = server
        self.injected = injected
        self.target = Target(server, case.pki, self.tree)
        self.sessions = {}
        self.pattern = pattern

    def tree(self):
        return self.case.graft.status(self.server.pid)

    def attempts(self):
        return [
            one for one in ATTEMPTS
            if one.fits(self.target) and self.pattern in one.title and (not self.server.greets or one.subject in GREETED)
        ]

    def govern(self, sections):
        self.case.ini(self.server.sections(sections))
        self.case.assert_reloaded(self.server)

    # sessions

    def _collect(self, phases, make_try):
        collection = sessions.Collection(make_try)
        for name, who, host in phases:
            for title, version, resumed in collection.collect(name, who, host):
                self._note(Row(title, version, self.server.label, "", proof=resumed, wants_proof=True))
        self.sessions.update(collection.found)

    @staticmethod
    def _maker(target, port=None):
        """Makes tries that leave no side effect: those that collect sessions are served. `port`: another one of this server."""
        def make(version):
            made = Try(target, version, honest=True)
            made.port = port or made.port
            made.request = target.server.request(made.host)
            return made

        return make

    def collect_sessions(self, twin=None):
        """The last policy is in force afterwards."""
        make_try = self._maker(self.target)
        for name, sections, who in sessions.phases(self.case, self.injected):
            if self.server.spoken_for and sections["server"]["mode"] == "off":
                continue  # it speaks no TLS then
            self.govern(sections)
            self._collect([(name, who, self.case.first_host)], make_try)
        self.govern(self.last_policy())
        self._collect(sessions.under_the_last(self.case.pki), make_try)
        self.sessions["end"] = time.time() + EXPIRES
        expiring = sessions.expiring_client(self.case.pki, EXPIRES)
        self._collect([(sessions.EXPIRING, expiring, self.case.first_host)], make_try)
        if self.server.open_port:
            make_try = self._maker(self.target, self.server.open_port)
            self._collect([(sessions.LISTENER, None, self.case.first_host)], make_try)
        if twin:
            self._collect([(sessions.TWIN, None, self.case.first_host)], self._maker(Target(twin, self.case.pki, self.tree)))

    def last_policy(self):
        sections = policy.sections(self.case, self.injected)
        if self.server.open_port:
            sections["listener open"] = {"listen": f"127.0.0.1:{self.server.open_port}", "mode": "server"}
        return sections

    # the attack

    @staticmethod
    def _note(row):
        Notes.write(row)

    def _one(self, attempt, version, honest):
        return Try(self.target, version, honest, self.sessions).run(attempt.run)

    def attack(self):
        """Every row is written; True where nothing was stolen and nobody died."""
        self.target.watch()
        good = True
        for attempt in self.attempts():
            for version in attempt.versions:
                try:
                    how, data = self._one(attempt, version, honest=False)
                except NotHere:
                    continue
                row = Row(attempt.title, version, self.server.label, how)
                row.success = is_stolen(how, data)
                if not self.target.serves_the_right_client(version):
                    row.crash, row.how = True, f"{how}; then the right client was not served"
                lost = self.target.lost_process()
                if lost:
                    row.crash, row.how = True, f"{how}; {lost} tells of a death"
                    self.target.watch()
                if row.success:
                    row.how = f"{how}: {data[:120]!r}"
                good = good and not row.success and not row.crash
                self._note(row)
        if self.target.has_side_effect():
            self._note(Row("side effect: a request was carried out", "1.2", self.server.label, "marked", success=True))
            good = False
        return good

    # the proofs

    def prove(self):
        """The same steps where nothing should stop them: against this policy with the forged thing in order, and against
        a section that asks for no certificate."""
        policies = (
            (HONEST, None), (OFF, {"server": {"mode": "off"}}),
            (OPEN, policy.without_certificates(self.case, self.injected)),
        )
        for kind, sections in policies:
            if kind == OFF and self.server.spoken_for:
                continue
            if sections:
                self.govern(sections)
            for attempt in self.attempts():
                if attempt.proof == kind and (not self.server.spoken_for or attempt.subject in OWN_PROOFS):
                    for version in attempt.versions:
                        self._prove(attempt, version)
        return not self.server.side_effect or self._has_side_effect()

    def _prove(self, attempt, version):
        try:
            how, data = self._one(attempt, version, honest=True)
        except NotHere:
            return
        row = Row(attempt.title, version, self.server.label, how, wants_proof=True)
        row.proof = self.server.is_answer(data, self.case.first_host)
        self._note(row)

    def _has_side_effect(self):
        """The side effect that no attack had is one that the proofs had."""
        return self.server.shows_side_effect(self.target.ask(VERSIONS[0], None, self.server.side_effect_request))
