# SPDX-License-Identifier: Apache-2.0
"""What the tests of doctor share."""

import json

from support.case import ServerCase


class DoctorCase(ServerCase):
    """Units and profiles of this machine are out of sight, unless a test names a root of its own."""

    def setUp(self):
        super().setUp()
        self.root = self.home / "root"
        self.root.mkdir()

    def doctor(self, subject, *options, environment=None):
        return self.graft.command("doctor", "--root", self.root, *options, subject, environment=environment)

    def findings(self, subject, *options, environment=None):
        """(exit status, verdict, [(kind, about, text)]) by --json, which must say what the text says."""
        done = self.doctor(subject, "--json", *options, environment=environment)
        answer = json.loads(done.stdout)
        return done.returncode, answer["verdict"], [(one["kind"], one["about"], one["text"]) for one in answer["findings"]]

    def assert_says(self, done, status, *words):
        said = done.stdout + done.stderr
        self.assertEqual(done.returncode, status, said)
        for word in words:
            self.assertIn(word, said)

    def unit(self, name, *lines, folder="lib/systemd/system"):
        """A service unit below the root."""
        path = self.root / folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("[Unit]\nDescription=test\nUser=ignored\n\n[Service]\n" + "\n".join(lines) + "\n")
        return path

    def profile(self, name, text):
        path = self.root / "etc/apparmor.d" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path
