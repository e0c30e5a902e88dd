# SPDX-License-Identifier: Apache-2.0
"""Every attempt of the catalogue against every server: nothing is stolen, nobody dies, the right client is served."""

import os

from support.case import ServerCase
from support.pki import HOSTS

from attack.campaign import Campaign
from attack.more_targets import MORE
from attack.plain_targets import PLAIN
from attack.targets import TARGETS

# Each registers its attempts, in the order of the table; what must wait for a certificate's end comes last.
from attack import certificates, names, messages, signatures, order  # noqa: F401, I001
from attack import afterwards, hellos, secrets, plain, spoken, sessions  # noqa: F401, I001


class Attack(ServerCase):
    first_host = HOSTS[0]

    def attack(self, kind):
        injected = self.pki.server("rsa")
        server = self.grafted(kind, lambda server: self.ini(server.sections({"server": {"mode": "off"}})))
        twin = self.make(kind).start() if kind.ticket_keys else None
        campaign = Campaign(self, server, injected, os.environ.get("TLSGRAFT_ATTACK", ""))
        if server.greets:
            campaign.govern(campaign.last_policy())
        else:
            campaign.collect_sessions(twin)
        if twin:
            twin.stop()
        good = campaign.attack()
        found = campaign.prove()
        clean = server.stop()
        self.assertTrue(good, "see the table")
        self.assertTrue(found, "the requests of these attacks have no side effect to look for")
        self.assertTrue(clean, "the server did not end by itself")


def _test(kind):
    def test(case):
        case.attack(kind)

    test.under_asan = kind.under_asan
    return test


for _kind in (*TARGETS, *MORE, *PLAIN):
    setattr(Attack, "test_" + _kind.label.replace("-", "_").lower(), _test(_kind))
