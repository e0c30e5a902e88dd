#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""run.py BUILD_DIR - the documentation against the code: what it says is what the programs do.

Prints a line for each check and at last 'N passed, N failed'; the status is 0 only where none failed.
"""

import fnmatch
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import docs.locks  # noqa: E402
import docs.objects  # noqa: E402
import docs.rooms  # noqa: E402
import docs.stream  # noqa: E402
import docs.words  # noqa: E402
import matrix.page  # noqa: E402
import plaintext.page  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from support.reaching import reaching  # noqa: E402
from support.symbolic import libc, libssl  # noqa: E402

MAN = ROOT / "docs" / "man"
SAMPLE = ROOT / "examples" / "tlsgraft.ini"
PAGES = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "docs/design.md", "docs/stream.md", "docs/COMPATIBILITY.md",
         *(f"docs/design/{part}.md" for part in ("keeper", "policy", "plaintext", "relay", "process")))

# What the README must say that tlsgraft cannot do, before its first example.
LIMITS = (
    "static", "Go", "set-user-ID", "file capabilities", "GnuTLS", "STARTTLS", "placeholder", "memory BIO", "strictest",
    "not in this version", "observe", "server_speaks = plaintext", "io_uring", "another libssl",
)

# Of the C library, and come to accept(2): they call a remote shell and take its connection back, so they are its clients.
NOT_HOOKED = ("rcmd", "rcmd_af", "rexec", "rexec_af")

# Commands of the README that a machine of the tests need not have.
ELSEWHERE = {"systemctl"}


class Fault(Exception):
    """What is wrong, in words."""


def must(condition, text):
    if not condition:
        raise Fault(text)


def run(*words, folder=None, environment=None):
    return subprocess.run(
        [str(word) for word in words], cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True,
        text=True, timeout=60, check=False,
    )


def same(committed, printed, how):
    theirs, ours = committed.splitlines(), printed.splitlines()
    for number, (one, other) in enumerate(zip(theirs, ours), 1):
        must(one == other, f"line {number} is '{one}' and should be '{other}': {how}")
    must(len(theirs) == len(ours), f"{len(theirs)} lines and should be {len(ours)}: {how}")


def between(text, begin, end):
    match = re.search(rf'^\.\\" begin {begin}.*?\n(.*?)^\.\\" end {end}$', text, re.M | re.S)
    must(match, f"no part between 'begin {begin}' and 'end {end}'")
    return match.group(1)


def shell_lines(text):
    """The commands of the ```sh blocks, continued lines joined."""
    for block in re.findall(r"^```sh\n(.*?)^```$", text, re.M | re.S):
        for line in block.replace("\\\n", " ").splitlines():
            line = re.sub(r"\s+#.*", "", line).strip()
            if line and not line.startswith("#"):
                yield line


class Checks:
    def __init__(self, build):
        self.build = Path(build).resolve()
        self.tlsgraft = self.build / "bin" / "tlsgraft"
        self.generator = self.build / "bin" / "tlsgraft-docs"
        for path in (self.tlsgraft, self.generator):
            if not path.exists():
                raise SystemExit(f"{path}: not built")

    def printed(self, option):
        done = run(self.generator, option)
        must(done.returncode == 0 and done.stdout, f"tlsgraft-docs {option}: status {done.returncode}")
        return done.stdout

    def keys(self):
        """Every key of the option table, from the table's own source."""
        return re.findall(r'^\s*\.key = "(\w+)"', (ROOT / "loader/options.c").read_text(), re.M)

    def refusals(self):
        """Every reason that the table has, from its own source."""
        return re.findall(r'^    \[TG_REFUSED_\w+\] =\s*{"(\w+)"', (ROOT / "ipc/refusal.c").read_text(), re.M)

    def commands(self):
        """Every command that --help names."""
        done = run(self.tlsgraft, "--help")
        must(done.returncode == 0, f"--help: status {done.returncode}")
        return set(re.findall(r"^(?:usage:|\s+) *tlsgraft ([a-z]+)", done.stdout, re.M))

    # manual pages

    def check_man_options_are_the_tables(self):
        part = between((MAN / "tlsgraft.ini.5").read_text(), "options", "options")
        same(part, self.printed("--man-options"), "put the output of tlsgraft-docs --man-options there")

    def check_man_refusals_are_the_tables(self):
        part = between((MAN / "tlsgraft.1").read_text(), "refusals", "refusals")
        same(part, self.printed("--man-refusals"), "put the output of tlsgraft-docs --man-refusals there")
        items = re.findall(r"^\.It Cm (\w+)$", part, re.M)
        must(len(items) > 20 and sorted(items) == sorted(self.refusals()), f"differ: {set(items) ^ set(self.refusals())}")

    def check_every_key_is_in_the_manual(self):
        keys = self.keys()
        must(len(keys) > 20, f"only {len(keys)} keys found in loader/options.c")
        part = between((MAN / "tlsgraft.ini.5").read_text(), "options", "options")
        items = re.findall(r"^\.It Ic (\w+) ", part, re.M)
        must(sorted(items) == sorted(keys), f"differ: {sorted(set(items) ^ set(keys))}")

    def check_commands_are_those_of_the_manual(self):
        page = (MAN / "tlsgraft.1").read_text()
        must(len(self.commands()) >= 5, f"only {self.commands()} found in --help")
        synopsis = page[page.index(".Sh SYNOPSIS"):page.index(".Sh DESCRIPTION")]
        for where, names in (
            ("SYNOPSIS", re.findall(r"^\.Nm\n\.Cm (\w+)", synopsis, re.M)),
            ("sections", re.findall(r"^\.Ss (\w+)$", page, re.M)),
            ("EXIT STATUS", re.findall(r"^\.It Cm (\w+)$", page[page.index(".Sh EXIT STATUS"):], re.M)),
        ):
            must(set(names) == self.commands(), f"{where}: {sorted(names)}, and --help has {sorted(self.commands())}")

    def check_options_of_commands_are_those_of_the_manual(self):
        page = re.sub(r"\\&", "", (MAN / "tlsgraft.1").read_text())
        for command in self.commands():
            text = run(self.tlsgraft, command, "--help").stdout
            for option in set(re.findall(r"[\s\[]--?([a-z]+)\b", text)):
                must(re.search(rf"\bFl -?{option}\b", page), f"{command} --help has the option {option}")

    def check_fields_of_status_are_those_of_the_manual(self):
        source = (ROOT / "keeper/status.c").read_text() + (ROOT / "keeper/verdict.c").read_text()
        fields = set(re.findall(r'(?:cJSON_Add\w+|add_text)\(\w+, "(\w+)"', source))
        fields |= set(self.refusals())
        must(len(fields) > 20, f"only {sorted(fields)} found in keeper/status.c")
        page = (MAN / "tlsgraft.1").read_text()
        literal = page[page.index(".Sh STATUS OBJECT"):page.index(".Sh ENVIRONMENT")]
        shown = set(re.findall(r'"(\w+)":', literal))
        must(shown == fields, f"differ: {sorted(shown ^ fields)}")

    def check_hooks_are_those_of_the_manual(self):
        part = between((MAN / "libtlsgraft.7").read_text(), "hooks", "hooks")
        same(part, self.printed("--man-hooks"), "put the output of tlsgraft-docs --man-hooks there")

    def check_nothing_below_the_hooks_calls_one(self):
        calls, looked_at = docs.objects.calls_of_hooks(self.build)
        must(looked_at > 80, f"only {looked_at} objects found")
        wrong = sorted(calls - set(docs.objects.MEANT))
        must(not wrong, "by tg_libc, tg_openssl() or ipc/calls.h: " + ", ".join(f"{name} in {file}" for file, name in wrong))
        must(calls == set(docs.objects.MEANT), f"no longer: {sorted(set(docs.objects.MEANT) - calls)}")

    def check_folders_include_what_stands_above_them(self):
        order = docs.rooms.rooms()
        must(len(order) > 12, f"only {len(order)} folders in CONTRIBUTING.md")
        wrong, strange = docs.rooms.arrows(order)
        must(not strange, f"not in the table of CONTRIBUTING.md: {sorted(strange)}")
        must(wrong <= set(docs.rooms.MEANT), f"upwards: {sorted(wrong - set(docs.rooms.MEANT))}")
        must(wrong == set(docs.rooms.MEANT), f"no longer: {sorted(set(docs.rooms.MEANT) - wrong)}")

    def check_names_use_the_words_of_the_field(self):
        private = docs.words.faults()
        must(not private, "\n".join(private))

    def check_every_lock_has_its_rank(self):
        names = [name for name, *_ in docs.locks.rows()]
        must(len(names) > 15, f"only {names} in locks.def")
        raw = docs.locks.raw()
        must(not raw, "by shim/binding/lock.h: " + ", ".join(f"{word} in {file}" for file, word in raw))
        must(docs.locks.made() == set(names), f"differ: {sorted(docs.locks.made() ^ set(names))}")
        text = (ROOT / "docs/design/process.md").read_text()
        must(docs.locks.table() in text, "docs/design/process.md shows another table; it is:\n" + docs.locks.table())

    def check_who_changes_a_stream(self):
        wrong, parts = docs.stream.differences()
        must(parts == 7, f"{parts} parts in docs/stream.md")
        must(not wrong, "docs/stream.md, but is changed by " + "; ".join(wrong))

    def check_every_source_names_its_licence(self):
        must("Apache License" in (ROOT / "LICENSE").read_text(), "LICENSE")
        files = [path for path in docs.rooms.files("*.c", "*.h", "*.def", "*.py", "*.sh", "*.cmake", "CMakeLists.txt")
                 if path.stat().st_size > 0]
        must(len(files) > 600, f"only {len(files)} sources found")
        without = [str(path.relative_to(ROOT)) for path in files
                   if "SPDX-License-Identifier: Apache-2.0" not in "".join(path.read_text().splitlines(True)[:2])]
        must(not without, f"no SPDX line: {without}")

    def check_every_function_of_libssl_is_decided(self):
        hooks = re.findall(r"^TG_HOOK\(ssl, (\w+)\)", (ROOT / "shim/binding/hooks.def").read_text(), re.M)
        lines = (ROOT / "tests/shim/api.txt").read_text().splitlines()
        patterns = " ".join(line for line in lines if not line.startswith(("#", "["))).split()
        must(len(patterns) > 100, f"only {len(patterns)} patterns in tests/shim/api.txt")
        listed = subprocess.run(["nm", "-D", "--defined-only", libssl()], capture_output=True, text=True, check=True).stdout
        functions = {name for name in re.findall(r" T (\w+)@", listed)}
        must(len(functions) > 400, f"only {len(functions)} functions found in {libssl()}")
        must(set(hooks) <= functions, f"hooks of no function: {sorted(set(hooks) - functions)}")
        used = set()
        for name in sorted(functions - set(hooks)):
            first = next((pattern for pattern in patterns if fnmatch.fnmatchcase(name, pattern)), None)
            must(first, f"tests/shim/api.txt says nothing of {name}")
            used.add(first)
        must(used == set(patterns), f"tests/shim/api.txt: fit nothing, or nothing that is left: {set(patterns) - used}")

    def check_every_function_that_executes_or_accepts_is_decided(self):
        """Read from the C library's own code: execve, execveat; accept, accept4, pidfd_getfd."""
        hooks = set(re.findall(r"^TG_HOOK\(c, (\w+)\)", (ROOT / "shim/binding/hooks.def").read_text(), re.M))
        calls = {"execve": {59, 322}, "accept": {43, 288}, "pidfd_getfd": {438}}
        for known, numbers in calls.items():
            found = {name.partition("@")[0] for name in reaching(libc(), numbers) if not name.endswith("@GLIBC_PRIVATE")}
            must(known in found, f"{known} is not found to make its own call")
            left = found - hooks - set(NOT_HOOKED)
            must(not left, f"without a hook, and without a reason in NOT_HOOKED: {sorted(left)}")

    def check_every_fault_has_its_reason(self):
        """All codes of the installed OpenSSL: a new one must not count as `other` unnoticed."""
        text = (ROOT / "shim/policy/fault.def").read_text()
        known = self.refusals()
        for macro, header, prefix in (("TG_X509", "x509_vfy.h", "X509_V_ERR_"), ("TG_SSL", "sslerr.h", "SSL_R_")):
            source = Path(f"/usr/include/openssl/{header}").read_text()
            codes = set(re.findall(rf"^# *define +{prefix}(\w+)\s+\d+", source, re.M))
            rows = re.findall(rf"^{macro}\((\w+), (\w+)\)$", text, re.M)
            must(len(codes) > 80, f"only {len(codes)} codes found in {header}")
            named = [name for name, _ in rows]
            must(len(named) == len(set(named)), f"{macro}: twice in shim/policy/fault.def")
            must(set(named) == codes, f"{header} and shim/policy/fault.def differ: {sorted(set(named) ^ codes)}")
            must({reason.lower() for _, reason in rows} <= set(known), f"{macro}: no such reason")
            for reason in known:
                of_it = [name for name, given in rows if given.lower() == reason]
                print(f"  {prefix}: {reason}: {len(of_it)} {' '.join(of_it[:3])}")

    def check_variables_are_those_of_the_manual(self):
        code = "".join(path.read_text() for path in [*(ROOT / "shim").rglob("*.[ch]"), *(ROOT / "cli").glob("*.c")])
        used = set(re.findall(r'"(TLSGRAFT_[A-Z]+)=?"', code))
        must(used, "none found in the code")
        for page in (MAN / "libtlsgraft.7", ROOT / "docs/design.md"):
            shown = set(re.findall(r"TLSGRAFT_[A-Z]+", page.read_text()))
            must(shown == used, f"{page.name}: differ: {sorted(shown ^ used)}")

    def check_functions_are_those_of_the_manual(self):
        header = (ROOT / "include/tlsgraft/loader.h").read_text()
        functions = re.findall(r"^TLSGRAFT_API .*?(tlsgraft_\w+)\(", header, re.M)
        results = re.findall(r"^\s(TLSGRAFT_\w+) = -?\d+,\s+/\*|^\s(TLSGRAFT_NO\w+) = ", header, re.M)
        must(len(functions) > 5, f"only {functions} found in the header")
        page = (MAN / "tlsgraft-loader.3").read_text()
        named = re.findall(r"^\.Nm (tlsgraft_\w+)", page, re.M)
        must(named == functions or sorted(named) == sorted(functions), f"NAME: {sorted(set(named) ^ set(functions))}")
        for function in functions:
            must(re.search(rf"^\.F[no] {function}\b", page, re.M), f"no prototype of {function}")
        for result in filter(None, sum(results, ())):
            must(f".It Dv {result}\n" in page, f"{result} is not explained")

    def check_manual_pages_render_without_warnings(self):
        must(shutil.which("groff"), "groff is not installed")
        pages = sorted(MAN.iterdir())
        must(len(pages) == 4, f"{len(pages)} pages")
        for page in pages:
            done = run("groff", "-mandoc", "-ww", "-Tutf8", "-z", page)
            must(done.returncode == 0 and not done.stderr, f"{page.name}: {done.stderr.strip()}")

    # the sample file

    def check_sample_is_the_tables(self):
        same(SAMPLE.read_text(), self.printed("--sample"), "put the output of tlsgraft-docs --sample there")

    def check_sample_has_every_key_once(self):
        text = SAMPLE.read_text()
        written = re.findall(r"^;?(\w+) = ", text, re.M)
        later = re.findall(r"\w+", " ".join(re.findall(r"^; not in this version: (.*)$", text, re.M)))
        must(sorted(written + later) == sorted(self.keys()), f"differ: {sorted(set(written + later) ^ set(self.keys()))}")
        must(len(written + later) == len(self.keys()), "a key is there twice")

    def sample_in(self, folder):
        """The sample beside the files that it names."""
        done = run(ROOT / "examples/certs/gen.sh", folder)
        must(done.returncode == 0, f"gen.sh: {done.stderr}")
        shutil.copyfile(SAMPLE, folder / "tlsgraft.ini")
        (folder / "pass.txt").touch(0o600)
        (folder / "pass.txt").write_text("not needed\n")
        (folder / "index.txt").touch()
        (folder / "ca.cnf").write_text(
            "[ca]\ndefault_ca = own\n[own]\ndatabase = index.txt\ndefault_md = sha256\ndefault_crl_days = 30\n"
        )
        done = run(
            "openssl", "ca", "-gencrl", "-config", "ca.cnf", "-keyfile", "ca.key", "-cert", "ca.pem", "-out", "ca.crl",
            folder=folder,
        )
        must(done.returncode == 0, f"openssl ca: {done.stderr}")
        return folder / "tlsgraft.ini"

    def check_sample_is_good(self):
        with tempfile.TemporaryDirectory(prefix="tlsgraft-docs-") as folder:
            done = run(self.tlsgraft, "check", self.sample_in(Path(folder)))
            must(done.returncode == 0, f"status {done.returncode}: {done.stderr}")
            must("[server] mutual" in done.stdout, done.stdout)

    def check_sample_is_good_with_every_key(self):
        """All comments off: every example and every default is a value that the parser takes."""
        with tempfile.TemporaryDirectory(prefix="tlsgraft-docs-") as folder:
            ini = self.sample_in(Path(folder))
            text, count = re.subn(r"^;(\[|\w+ = )", r"\1", ini.read_text(), flags=re.M)
            must(count > 20, f"only {count} lines are commented out")
            # the programs and users of the examples belong to packages
            text = text.replace("/usr/sbin/nginx", str(self.tlsgraft)).replace("www-data", "root")
            # with the default, what plaintext servers alone have is a fault
            text = text.replace("server_speaks = tls", "server_speaks = plaintext")
            ini.write_text(text)
            done = run(self.tlsgraft, "check", ini)
            must(done.returncode in (0, 1), f"status {done.returncode}: {done.stderr}")
            warnings = [line for line in done.stderr.splitlines() if "the key is not encrypted" not in line]
            must(not warnings, "\n".join(warnings))
            must("[listener api]" in done.stdout and "[sni shop]" in done.stdout, done.stdout)

    # Markdown

    def check_commands_of_the_readme_exist(self):
        lines = list(shell_lines((ROOT / "README.md").read_text()))
        must(len(lines) > 8, f"only {len(lines)} commands found")
        for line in lines:
            words = [word for word in line.split() if not re.fullmatch(r"[A-Z_]+=\S*", word)]
            program = words[0]
            if program == "tlsgraft":
                must(words[1] in self.commands() | {"--help", "--version"}, f"'{line}': no such command of tlsgraft")
            elif program.startswith("./"):
                must(os.access(ROOT / program, os.X_OK), f"'{line}': no executable {program}")
            else:
                must(program in ELSEWHERE or shutil.which(program), f"'{line}': no {program}")

    def check_readme_runs_what_a_newcomer_runs(self):
        text = (ROOT / "README.md").read_text()
        lines = list(shell_lines(text))
        must(lines[:2] == ["./examples/quickstart.sh", "./tests/run.sh"], f"begins with {lines[:2]}")

    def check_readme_says_its_limits_first(self):
        text = (ROOT / "README.md").read_text()
        headings = re.findall(r"^## (.*)$", text, re.M)
        must("What it cannot do" in headings, f"headings: {headings}")
        limits = headings.index("What it cannot do")
        must(limits == 0, f"before the limits: {headings[:limits]}")
        part = text[text.index("## What it cannot do"):text.index(f"## {headings[1]}")]
        prose = " ".join(part.split())
        for word in LIMITS:
            must(word in prose, f"not said: {word}")
        before = text[:text.index("## What it cannot do")]
        must("tlsgraft run" not in before and "```ini" not in before, "an example comes before the limits")

    def check_links_lead_somewhere(self):
        for page in PAGES:
            path = ROOT / page
            for target in re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text()):
                if "://" not in target:
                    must((path.parent / target).exists(), f"{page}: no {target}")

    def check_files_that_pages_name_exist(self):
        """`folder/file.c` in backquotes is a file of the repository."""
        for page in PAGES:
            for name in re.findall(r"`((?:bench|cli|docs|examples|include|keeper|loader|page|shim|tests)/[\w./-]+)`",
                                   (ROOT / page).read_text()):
                must("NAME" in name or (ROOT / name).exists(), f"{page}: no {name}")

    def check_compatibility_page_is_whole_and_linked(self):
        """Whether it is true, the matrix stage says."""
        name = "docs/COMPATIBILITY.md"
        must(f"]({name})" in (ROOT / "README.md").read_text(), f"README.md does not link to {name}")
        text = (ROOT / name).read_text()
        whole = []
        for part, least in ((matrix.page.PART, 31), (plaintext.page.PART, 28)):
            rows = part.parse(text)
            must(len(rows) >= least, f"only {sorted(rows)}")
            wrong = part.faults(rows)
            must(not wrong, "\n".join(wrong))
            whole.append(part.render(rows))
        must("\n".join(whole) == text, "not as the run.py of tests/matrix and tests/plaintext print it with --write")

    def check_changelog_has_this_version(self):
        version = re.search(r"project\(tlsgraft VERSION ([\d.]+)", (ROOT / "CMakeLists.txt").read_text()).group(1)
        versions = re.findall(r"^## ([\d.]+)", (ROOT / "CHANGELOG.md").read_text(), re.M)
        must(versions and versions[0] == version, f"version {version}, and the changelog has {versions}")
        said = run(self.tlsgraft, "--version").stdout
        must(version in said, f"--version says {said}")

    def check_stages_of_the_tests_are_explained(self):
        stages = re.search(r'^stages="(.*)"$', (ROOT / "tests/run.sh").read_text(), re.M).group(1).split()
        text = (ROOT / "CONTRIBUTING.md").read_text()
        for stage in stages:
            must(f"`{stage}`" in text, f"CONTRIBUTING.md does not name the stage {stage}")


def main():
    if len(sys.argv) != 2:
        print(__doc__.strip(), file=sys.stderr)
        return 64
    for name in [name for name in os.environ if name.startswith("TLSGRAFT_")]:
        del os.environ[name]
    checks = Checks(sys.argv[1])
    passed = failed = 0
    for name in [name for name in Checks.__dict__ if name.startswith("check_")]:
        try:
            getattr(checks, name)()
            print(f"ok     {name.removeprefix('check_')}")
            passed += 1
        except (Fault, OSError, ValueError, subprocess.TimeoutExpired) as fault:
            print(f"FAILED {name.removeprefix('check_')}\n  {fault}")
            failed += 1
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
