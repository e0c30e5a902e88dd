# SPDX-License-Identifier: Apache-2.0
"""Requests to reload, their verdicts, and what the keeper says of them."""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from case import Case
from site_folder import PYTHON, alive, clean_environment, kill, memory_kib, wait_until


class Reload(Case):
    def verdict(self, pid):
        return self.site.status(pid)["reload"]

    def reloading(self, pid):
        """`tlsgraft reload` that has been sent and not answered."""
        process = subprocess.Popen(
            [str(self.site.cli), "reload", str(pid)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env=clean_environment(),
        )
        self.site.started.append(process)
        return process

    def finish(self, process, seconds=10):
        said = process.communicate(timeout=seconds)[0]
        return process.returncode, said

    def generation(self, pid, number, seconds=5):
        wait_until(lambda: self.site.status(pid)["generation"] == number, seconds, f"generation {number}")

    def test_accepted_then_nothing_changed(self):
        server = self.site.start()
        old = self.site.status(server.pid)["sections"][0]["certificates"][0]
        self.site.renew()
        self.assert_exit(self.site.command("reload", server.pid), 0, "accepted: generation 2", old["serial"])
        new = self.site.status(server.pid)["sections"][0]["certificates"][0]
        self.assertNotEqual(old["sha256"], new["sha256"])
        self.site.said(server, "reload accepted: generation 2: server: certificate")
        self.assertIn(new["serial"], server.errors.read_text())
        self.assert_exit(self.site.command("reload", server.pid), 0, "generation 2: nothing changed")
        self.assertEqual(self.site.status(server.pid)["generation"], 2)

    def test_refused_keeps_what_was_good(self):
        server = self.site.start()
        before = self.site.status(server.pid)["sections"][0]["certificates"][0]["sha256"]
        (self.site.certs / "ca.pem").write_text("no certificate\n")
        self.assert_exit(self.site.command("reload", server.pid), 1, "refused", "ca.pem")
        tree = self.site.status(server.pid)
        self.assertEqual(tree["generation"], 1)
        self.assertEqual(tree["reload"]["verdict"], "refused")
        self.assertIn("ca.pem", tree["reload"]["reason"])
        self.assertEqual(tree["sections"][0]["certificates"][0]["sha256"], before)
        self.assert_exit(self.site.command("status", server.pid), 1)
        self.site.said(server, "reload refused: ")

    def test_all_reasons_are_given(self):
        server = self.site.start()
        self.site.write(server="colour = red\nverify_depth = many")
        self.assert_exit(self.site.command("reload", server.pid), 1, "colour", "verify_depth")

    def test_signal_is_a_request(self):
        server = self.site.start()
        self.site.renew()
        os.kill(server.pid, signal.SIGHUP)
        self.generation(server.pid, 2)
        self.assertTrue(alive(server.pid))

    def test_certificate_before_its_key(self):
        server = self.site.start()
        fresh = self.site.renewed()
        self.site.put(fresh, "server.pem")
        reload = self.reloading(server.pid)
        wait_until(lambda: self.verdict(server.pid)["verdict"] == "pending", 2, "pending")
        self.assertEqual(self.site.status(server.pid)["generation"], 1)
        self.site.put(fresh, "server.key")
        began = time.monotonic()
        status, said = self.finish(reload)
        self.assertEqual(status, 0, said)
        self.assertLess(time.monotonic() - began, 0.5)
        self.assertEqual(self.verdict(server.pid)["verdict"], "accepted")
        self.assertEqual(self.site.status(server.pid)["generation"], 2)

    def test_key_that_never_comes(self):
        server = self.site.start()
        self.site.put(self.site.renewed(), "server.pem")
        began = time.monotonic()
        done = self.site.command("reload", server.pid)
        self.assert_exit(done, 1, "refused")
        self.assertGreater(time.monotonic() - began, 2.9)
        self.assertLess(time.monotonic() - began, 4.5)
        self.assertEqual(self.site.status(server.pid)["generation"], 1)
        self.assertEqual(server.errors.read_text().count("refused"), 1, "one line for one verdict")

    def test_pending_answers_all_who_wait(self):
        server = self.site.start()
        fresh = self.site.renewed()
        self.site.put(fresh, "server.pem")
        reloads = [self.reloading(server.pid) for _ in range(10)]
        wait_until(lambda: self.verdict(server.pid)["verdict"] == "pending", 2, "pending")
        self.site.put(fresh, "server.key")
        for reload in reloads:
            self.assertEqual(self.finish(reload)[0], 0)

    def test_many_at_once(self):
        server = self.site.start()
        self.site.renew()
        for reload in [self.reloading(server.pid) for _ in range(40)]:
            self.assertEqual(self.finish(reload)[0], 0)
        self.assertEqual(self.site.status(server.pid)["generation"], 2)

    def test_every_process_of_the_tree_names_it(self):
        server = self.site.start(PYTHON, "-c", "import os, ssl, time\npid = os.fork()\nif pid:\n    print(pid, flush=True)\ntime.sleep(60)")
        child = int(server.said)
        self.site.pids.append(child)
        for pid in (server.pid, child, *self.site.keeper(server.pid)):
            self.assert_exit(self.site.command("reload", pid), 0, "nothing changed")

    def test_launcher_names_its_tree(self):
        server = self.site.start("/bin/sh", "-c", f"{PYTHON} -c 'import ssl,time; print(1, flush=True); time.sleep(60)'; :")
        self.assert_exit(self.site.command("reload", server.pid), 0, "nothing changed")
        for process in self.site.status(server.pid)["processes"]:
            self.site.pids.append(process["pid"])

    def test_no_such_tree(self):
        self.assert_exit(self.site.command("reload", os.getpid()), 2, "no tree")
        self.assert_exit(self.site.command("status", os.getpid()), 2, "no tree")
        self.assert_exit(self.site.command("reload", 4194303), 2, "no such process")

    def test_settings_that_take_effect(self):
        server = self.site.start()
        log = self.site.home / "keeper.log"
        self.site.write(top=f"log = {log}\nlog_level = debug\nwarn_days = 3000")
        self.site.command("reload", server.pid)
        self.assertIn("reload accepted", log.read_text())
        self.assertEqual(log.stat().st_mode & 0o777, 0o640)
        self.assertEqual(self.site.status(server.pid)["warn_days"], 3000)
        self.assert_exit(self.site.command("status", server.pid), 1)
        rotated = self.site.home / "keeper.log.1"
        log.rename(rotated)
        before = rotated.read_text()
        self.site.command("reload", server.pid)
        self.assertIn("nothing changed", log.read_text())
        self.assertEqual(rotated.read_text(), before)

    def test_settings_for_the_next_start(self):
        server = self.site.start()
        self.site.write(top="reload_signal = USR1\nuser = nobody")
        self.assert_exit(self.site.command("reload", server.pid), 0)
        self.site.said(server, "next start")
        text = server.errors.read_text()
        self.assertIn("reload_signal", text)
        self.assertIn("user", text)
        self.site.command("reload", server.pid)
        wait_until(lambda: server.errors.read_text().count("reload_signal") >= 2, 2, "said again: it is still not in effect")

    def test_log_lines_hold_no_control_characters(self):
        server = self.site.start()
        self.site.write(server="ca = certs/\x1b[31mred.pem")
        self.site.command("reload", server.pid)
        self.site.said(server, "refused")
        self.assertNotIn("\x1b", server.errors.read_text())

    def test_too_large_for_the_memory(self):
        server = self.site.start()
        rules = "".join(f"allow = URI:spiffe://example.com/{number:06}/{'x' * 140}\n" for number in range(9000))
        self.site.write(server=rules)
        done = self.site.command("reload", server.pid)
        self.assert_exit(done, 1, "start the server anew")
        self.assertEqual(self.site.status(server.pid)["generation"], 1)
        self.site.write()
        self.assert_exit(self.site.command("reload", server.pid), 0, "nothing changed")

    # watch = yes

    def test_watch_replaced_file(self):
        self.site.write(top="watch = yes")
        server = self.site.start()
        for number in range(2, 5):
            self.site.renew()
            self.generation(server.pid, number)

    def test_watch_written_in_place(self):
        self.site.write(top="watch = yes")
        server = self.site.start()
        fresh = self.site.renewed()
        for name in ("server.pem", "server.key"):
            (self.site.certs / name).write_bytes((fresh / name).read_bytes())
        self.generation(server.pid, 2)

    def test_watch_symlink_swap(self):
        """A folder as Kubernetes mounts it: files are links through ..data, which is swapped."""
        first = self.site.certs / "..1"
        first.mkdir()
        for path in list(self.site.certs.iterdir()):
            if path.is_file():
                path.rename(first / path.name)
                path.symlink_to(f"..data/{path.name}")
        (self.site.certs / "..data").symlink_to("..1")
        self.site.write(top="watch = yes")
        server = self.site.start()
        for number in range(2, 6):
            source = self.site.home / f"source-{number}"
            shutil.copytree(self.site.certs / "..data", source)
            subprocess.run(
                ["sh", Path(__file__).parents[2] / "examples/certs/renew.sh", source], check=True, capture_output=True
            )
            shutil.move(source, self.site.certs / f"..{number}")
            (self.site.certs / "..tmp").symlink_to(f"..{number}")
            os.replace(self.site.certs / "..tmp", self.site.certs / "..data")
            shutil.rmtree(self.site.certs / f"..{number - 1}")
            self.generation(server.pid, number)

    def test_watch_folder_replaced(self):
        self.site.write(top="watch = yes")
        server = self.site.start()
        for number in range(2, 5):
            fresh = self.site.renewed()
            self.site.certs.rename(self.site.home / f"old-{number}")
            fresh.rename(self.site.certs)
            self.generation(server.pid, number)

    def test_watch_ini_names_a_file_that_comes_later(self):
        self.site.write(top="watch = yes")
        server = self.site.start()
        self.site.write(top="watch = yes", server="crl = certs/none.crl")
        wait_until(lambda: self.verdict(server.pid)["verdict"] == "refused", 5, "refused")
        (self.site.certs / "none.crl").write_text("still nothing")
        wait_until(lambda: "PEM" in self.verdict(server.pid)["reason"], 5, "the new reason")
        self.site.write(top="watch = yes")
        wait_until(lambda: self.verdict(server.pid)["verdict"] == "accepted", 5, "accepted")

    def test_watch_begins_at_a_reload(self):
        server = self.site.start()
        self.site.renew()
        time.sleep(0.5)
        self.assertEqual(self.site.status(server.pid)["generation"], 1)
        self.site.write(top="watch = yes")
        self.site.command("reload", server.pid)
        self.generation(server.pid, 2)
        self.site.renew()
        self.generation(server.pid, 3)
        self.site.write()
        wait_until(lambda: "nothing" in self.verdict(server.pid)["reason"], 5, "the INI read")
        self.site.renew()
        time.sleep(0.5)
        self.assertEqual(self.site.status(server.pid)["generation"], 3)

    # deaths

    def test_worker_killed(self):
        server = self.site.start()
        guardian, worker = self.site.keeper(server.pid)
        self.site.renew()
        kill(worker)
        began = time.monotonic()
        tree = wait_until(lambda: self.site.status(server.pid), 1, "a status")
        self.assertLess(time.monotonic() - began, 1)
        self.assertTrue(tree["keeper"]["alive"])
        self.assertEqual(tree["generation"], 1, "nothing is published unasked")
        self.assertEqual(tree["sections"][0]["name"], "server")
        self.assertNotEqual(self.site.keeper(server.pid), (guardian, worker))
        self.assert_exit(self.site.command("reload", server.pid), 0, "generation 2")
        self.site.said(server, f"reading process {worker} died (signal 9)")

    def test_request_while_the_worker_is_dead(self):
        """A signal that came in between is not lost."""
        server = self.site.start()
        _, worker = self.site.keeper(server.pid)
        self.site.renew()
        os.kill(worker, signal.SIGSTOP)
        os.kill(server.pid, signal.SIGHUP)
        time.sleep(0.1)
        kill(worker)
        self.generation(server.pid, 2)

    def test_pending_outlives_the_worker(self):
        server = self.site.start()
        _, worker = self.site.keeper(server.pid)
        fresh = self.site.renewed()
        self.site.put(fresh, "server.pem")
        reload = self.reloading(server.pid)
        wait_until(lambda: self.verdict(server.pid)["verdict"] == "pending", 2, "pending")
        kill(worker)
        self.site.put(fresh, "server.key")
        status, said = self.finish(reload)
        self.assertEqual(status, 0, said)
        self.assertEqual(self.site.status(server.pid)["generation"], 2)

    def test_watch_outlives_the_worker(self):
        self.site.write(top="watch = yes")
        server = self.site.start()
        _, worker = self.site.keeper(server.pid)
        kill(worker)
        self.site.renew()
        self.generation(server.pid, 2)
        self.site.renew()
        self.generation(server.pid, 3)

    def test_log_outlives_the_worker(self):
        log = self.site.home / "keeper.log"
        self.site.write(top=f"log = {log}")
        server = self.site.start()
        _, worker = self.site.keeper(server.pid)
        kill(worker)
        wait_until(lambda: "died (signal 9)" in log.read_text(), 2, "a line in the log")

    def test_worker_killed_again_and_again(self):
        server = self.site.start()
        for number in range(10):
            self.site.renew()
            reload = self.reloading(server.pid)
            time.sleep(number * 0.002)  # at another moment each time
            kill(self.site.keeper(server.pid)[1])
            status, said = self.finish(reload)
            self.assertIn(status, (0, 1), said)
        self.assert_exit(self.site.command("reload", server.pid), 0)
        self.assertTrue(alive(server.pid))

    def test_guardian_killed(self):
        server = self.site.start()
        guardian, worker = self.site.keeper(server.pid)
        kill(guardian)
        self.gone(guardian, worker, seconds=1)
        self.assertTrue(alive(server.pid))
        done = self.site.command("status", "--json", server.pid)
        self.assertEqual(done.returncode, 1, done.stderr)
        tree = json.loads(done.stdout)[0]
        self.assertFalse(tree["keeper"]["alive"])
        self.assertEqual(tree["generation"], 1)
        self.assertEqual(tree["config"], str(self.site.ini))
        self.assertEqual(tree["sections"][0]["certificates"][0]["key_type"], "EC P-256")
        self.assertEqual([process["pid"] for process in tree["processes"]], [server.pid])
        self.assert_exit(self.site.command("status", server.pid), 1, "keeper gone")
        everything = json.loads(self.site.command("status", "--json").stdout)
        self.assertIn(False, [one["keeper"]["alive"] for one in everything if one["config"] == str(self.site.ini)])
        self.assert_exit(self.site.command("reload", server.pid), 2, "keeper is gone")

    # over a long time

    def test_nothing_grows(self):
        server = self.site.start()
        pair = [self.site.home / "one", self.site.renewed()]
        shutil.copytree(self.site.certs, pair[0])
        guardian, worker = self.site.keeper(server.pid)
        client = self.site.home / "ask"
        client.write_text(
            "import json, os, socket, struct, sys\n"
            "tree, count, one, other, certs = sys.argv[1:]\n"
            "for number in range(int(count)):\n"
            "    source = (one, other)[number % 2]\n"
            "    for name in ('server.key', 'server.pem'):\n"
            "        os.link(f'{source}/{name}', f'{certs}/new')\n"
            "        os.replace(f'{certs}/new', f'{certs}/{name}')\n"
            "    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)\n"
            "    s.connect(b'\\0tlsgraft/' + tree.encode())\n"
            "    s.send(struct.pack('III', 0x68637467, 1, 3))\n"
            "    assert json.loads(s.recv(65536))['verdict'] == 'accepted'\n"
            "    s.close()\n"
        )

        def reloads(count):
            subprocess.run(
                [PYTHON, client, self.site.tree(server.pid), str(count), *pair, self.site.certs], check=True, timeout=120
            )

        def sizes():
            return [(memory_kib(pid), len(os.listdir(f"/proc/{pid}/fd"))) for pid in (guardian, worker)]

        reloads(200)
        before = sizes()
        reloads(2000)
        after = sizes()
        for (memory, descriptors), (memory_then, descriptors_then) in zip(before, after):
            if not self.sanitized():
                self.assertLess(memory_then - memory, 512, "KiB")
            self.assertEqual(descriptors, descriptors_then)
        self.assertEqual(self.site.status(server.pid)["generation"], 2200)  # the first found nothing changed
