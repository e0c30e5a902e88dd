# SPDX-License-Identifier: Apache-2.0
"""systemd units and AppArmor profiles below a root of the test's own."""

from doctor.case import DoctorCase

REDIS = "/usr/bin/redis-server"


class Units(DoctorCase):
    def assert_unit(self, status, *words, program=REDIS, lines=(), name="x.service"):
        self.unit(name, f"ExecStart={program} /etc/x.conf", *lines)
        done = self.doctor(program)
        self.assert_says(done, status, f"started by {name}", *words)
        return done

    def test_no_unit(self):
        self.unit("other.service", "ExecStart=/usr/bin/redis-server-other")
        done = self.doctor(REDIS)
        self.assert_says(done, 0)
        self.assertNotIn("started by", done.stdout)
        self.assertNotIn("drop-in", done.stdout)

    def test_a_plain_unit_and_its_drop_in(self):
        done = self.assert_unit(0, "drop-in /etc/systemd/system/x.service.d/tlsgraft.conf:", "| [Service]")
        self.assertIn(f'| Environment="LD_PRELOAD={self.graft.shim}"', done.stdout)
        self.assertIn('| Environment="TLSGRAFT_CONFIG=/etc/tlsgraft/tlsgraft.ini"', done.stdout)
        self.assertNotIn("User=", done.stdout)

    def test_the_file_that_would_be_used(self):
        self.unit("x.service", f"ExecStart={REDIS}")
        self.assert_says(self.doctor(REDIS, "-c", "/srv/a.ini"), 0, 'Environment="TLSGRAFT_CONFIG=/srv/a.ini"')

    def test_user(self):
        self.assert_unit(1, "User=redis: its keeper starts as redis", "run --user redis", lines=("User=redis",))

    def test_user_taken_back(self):
        self.unit("x.service.d/a.conf", "User=", folder="etc/systemd/system")
        self.assert_unit(0, lines=("User=redis",))

    def test_dynamic_user(self):
        self.assert_unit(1, "DynamicUser=", lines=("DynamicUser=yes",))

    def test_forking_without_a_pid_file(self):
        self.assert_unit(1, "Type=forking without PIDFile=", lines=("Type=forking",))

    def test_forking_with_a_pid_file_of_a_drop_in(self):
        self.unit("x.service.d/pid.conf", "PIDFile=/run/x.pid", folder="etc/systemd/system")
        self.assert_unit(0, lines=("Type=forking",))

    def test_etc_hides_lib(self):
        self.unit("x.service", f"ExecStart={REDIS}", "DynamicUser=yes")
        self.unit("x.service", f"ExecStart={REDIS}", folder="etc/systemd/system")
        done = self.doctor(REDIS)
        self.assert_says(done, 0, "/etc/systemd/system/x.service")
        self.assertNotIn("DynamicUser", done.stdout)

    def test_an_alias_goes_by_its_own_name(self):
        path = self.unit("x.service", f"ExecStart={REDIS}")
        (self.root / "etc/systemd/system").mkdir(parents=True)
        (self.root / "etc/systemd/system/alias.service").symlink_to(path)
        self.assert_says(self.doctor(REDIS), 0, "started by x.service")

    def test_address_families(self):
        self.assert_unit(
            1, "without AF_UNIX", "| RestrictAddressFamilies=AF_UNIX", lines=("RestrictAddressFamilies=AF_INET AF_INET6",)
        )
        self.assert_unit(0, lines=("RestrictAddressFamilies=AF_INET AF_UNIX",))
        self.assert_unit(1, "without AF_UNIX", lines=("RestrictAddressFamilies=~AF_UNIX",))

    def test_paths_out_of_sight(self):
        shim = self.graft.shim
        for line, word in (
            (f"InaccessiblePaths=-{shim.parent}", "InaccessiblePaths= hides"),
            ("TemporaryFileSystem=/etc:ro", "TemporaryFileSystem= hides /etc/tlsgraft"),
            ("RootDirectory=/srv/jail", "RootDirectory="),
            ("NoExecPaths=/", "NoExecPaths= forbids"),
        ):
            self.assert_unit(1, word, lines=(line,))
        self.assert_unit(0, lines=("InaccessiblePaths=/nowhere", "NoExecPaths=/", f"ExecPaths={self.graft.build} /usr"))

    def test_private_tmp(self):
        self.unit("x.service", f"ExecStart={REDIS}", "PrivateTmp=yes")
        self.assert_says(self.doctor(REDIS, "-c", "/tmp/a.ini"), 1, "PrivateTmp= hides /tmp/a.ini")

    def test_system_call_filters(self):
        good = ("SystemCallFilter=@system-service", "SystemCallFilter=~@privileged")
        self.assert_unit(0, "leaves what the keeper needs", lines=good)
        self.assert_unit(1, "needs @system-service", lines=("SystemCallFilter=@basic-io",))
        self.assert_unit(1, "takes memfd_create away", lines=("SystemCallFilter=~@mount memfd_create",))

    def test_harmless_protections(self):
        self.assert_unit(
            0, "NoNewPrivileges=true is no obstacle", "MemoryDenyWriteExecute=true is no obstacle",
            "ProtectSystem=strict is no obstacle",
            lines=("NoNewPrivileges=true", "MemoryDenyWriteExecute=true", "ProtectSystem=strict"),
        )

    def test_a_preload_that_is_there_already(self):
        self.assert_unit(
            1, "sets LD_PRELOAD=/usr/lib/libjemalloc.so.2 already", ":/usr/lib/libjemalloc.so.2\"",
            lines=('Environment="A=b" "LD_PRELOAD=/usr/lib/libjemalloc.so.2"',),
        )
        done = self.assert_unit(0, "preloads the shim", lines=("Environment=LD_PRELOAD=/usr/local/lib/libtlsgraft.so",))
        self.assertNotIn("drop-in /etc", done.stdout)

    def test_other_commands_of_the_unit(self):
        self.assert_unit(0, "ExecReload= get the variables too", lines=("ExecReload=/bin/kill -HUP $MAINPID",))

    def test_a_wrapper_script_and_a_shell(self):
        script = self.root / "usr/share/start"
        script.parent.mkdir(parents=True)
        script.write_text(f"#!/bin/sh\nexec {REDIS} \"$@\"\n")
        self.unit("script.service", "ExecStart=-/usr/share/start a", "DynamicUser=1")
        self.assert_says(self.doctor(REDIS), 1, "started by script.service")
        script.write_text("#!/bin/sh\nexec something else\n")
        self.assert_says(self.doctor(REDIS), 0)
        self.unit("script.service", f'ExecStart=/bin/sh -c "x; \\', f' exec {REDIS} $OPTS"')
        self.assert_says(self.doctor(REDIS), 0, "started by script.service")

    def test_apache_goes_by_apachectl(self):
        self.assert_says(self.doctor("/usr/sbin/apache2"), 0)
        self.unit("apache2.service", "Type=forking", "ExecStart=/usr/sbin/apachectl start")
        self.assert_says(self.doctor("/usr/sbin/apache2"), 1, "started by apache2.service", "Type=forking")


class Profiles(DoctorCase):
    def rules(self, *lines, header="{program} {{", program=REDIS):
        program = "/usr/bin/redis-check-rdb" if program == REDIS else program
        self.profile("redis", header.format(program=program) + "\n" + "".join(f"  {line}\n" for line in lines) + "}\n")
        return self.doctor(REDIS)

    def test_no_profile_for_it(self):
        self.assertNotIn("AppArmor", self.rules("/** r,", program="/usr/bin/other").stdout)

    def test_no_rule(self):
        done = self.rules("/etc/redis/** r,", "capability setuid,", "network inet stream,")
        self.assert_says(
            done, 1, f"profile redis has no rule for {self.graft.shim}: add `{self.graft.shim} mr,`",
            f"add `{self.graft.keeper} Ux,`",
        )

    def test_rules_that_are_enough(self):
        good = (f"{self.graft.shim} mr,", f"{self.graft.keeper} Ux,")
        self.assert_says(self.rules(*good), 0, "permits the shim's files")
        self.assert_says(self.rules(f"{self.graft.build}/{{lib,libexec}}/** mrux,"), 0, "permits")
        self.assert_says(self.rules(*good, header="profile named {program} flags=(attach_disconnected) {{"), 0, "permits")
        self.assert_says(self.rules("/** r,", good[1]), 1, "no rule for", "libtlsgraft.so")
        self.assert_says(self.rules(*good, f"deny {self.graft.shim} r,"), 1, f"denies {self.graft.shim}")

    def test_a_keeper_that_stays_in_the_profile_reads_the_file(self):
        inherits = (f"{self.graft.shim} mr,", f"{self.graft.keeper} rix,")
        self.assert_says(self.rules(*inherits), 1, "no rule for /etc/tlsgraft/tlsgraft.ini")
        self.assert_says(self.rules(*inherits, "owner /etc/tlsgraft/** r,"), 0, "permits")

    def test_includes(self):
        self.profile("local/redis", f"{self.graft.shim} mr,\n{self.graft.keeper} Ux,\n")
        self.assert_says(self.rules("#include <local/redis>"), 0, "permits")
        self.assert_says(self.rules('include if exists "local/redis"'), 0, "permits")
        self.assert_says(self.rules("#include <local/missing>"), 1, "no rule")

    def test_rules_of_a_child_profile_do_not_count(self):
        done = self.rules("profile child {", f"{self.graft.shim} mr,", f"{self.graft.keeper} Ux,", "}", "/etc/x r,")
        self.assert_says(done, 1, "no rule")

    def test_profiles_that_do_not_enforce(self):
        self.assert_says(self.rules("/x r,", header="{program} flags=(complain) {{"), 0, "only complains")
        self.profile("disable/redis", "")
        self.assert_says(self.rules("/x r,"), 0, "is disabled")

    def test_comments_and_attachments_by_pattern(self):
        self.assert_says(self.rules("# {", "/x r,", header="/usr/{{,s}}bin/redis-* {{"), 1, "no rule")
        self.assert_says(self.rules("/x r,", header="# {program} {{"), 0)
